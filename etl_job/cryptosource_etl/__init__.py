"""One run of one CryptoSource: claim, extract, normalize, load, checkpoint.

Belongs here: everything between an upstream's bytes and a committed page. `pipeline` owns the
run and the transaction, `sources` know vendors and files, `http` knows the network; each may use
only what stands to its right. Never here: Kubernetes, the API, or schedules.
"""
