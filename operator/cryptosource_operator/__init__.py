"""The operator: CryptoSource -> CronJob, Postgres -> status.

Belongs here: planning children, judging what happened (both pure), and the thin shell around them
that watches, applies and mirrors. Never here: loading data, reading Secrets, finalizers; a source
must load and be deleted just as well while the operator is down.
"""
