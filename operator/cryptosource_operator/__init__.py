"""The operator: CryptoSource -> CronJob, Postgres -> status.

Belongs here: planning children, judging what happened (both pure), and the thin shell around them
that watches, applies and writes statuses. Never here: loading data, reading Secrets, finalizers; a source
must load, and be deleted, while the operator is down.
"""
