"""The accepted shape of a source and how it changed."""

from __future__ import annotations

from sqlalchemy import text

ACCEPTED_SHAPE = text("SELECT accepted_shape FROM sources WHERE source_id = :source_id")

ACCEPT_SHAPE = text("""
UPDATE sources SET accepted_shape = CAST(:shape AS jsonb) WHERE source_id = :source_id
""")

INSERT_DRIFT = text("""
INSERT INTO schema_drifts (source_id, run_id, field, change, types_before, types_after)
VALUES (:source_id, :run_id, :field, :change, CAST(:before AS jsonb), CAST(:after AS jsonb))
""")
