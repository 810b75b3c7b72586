"""One run of one CryptoSource: claim, extract, normalize, load, checkpoint.

Belongs here: everything between an upstream's bytes and a committed page. `pipeline` controls the
run and the transaction, `sources` reads vendors and files, `http` accesses the network; each
imports only those named after it. Never here: Kubernetes, the API, or schedules.
"""
