"""Say what became of a request for a run: until when it stands, who took it up, its Jobs.

A key is its caller's, so it moves to a table of its own. Nothing has ever filled run_requests, so
no code can miss the columns that go.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UUID = postgresql.UUID(as_uuid=True)


def upgrade() -> None:
    op.drop_column("run_requests", "idempotency_key")
    op.drop_column("run_requests", "job_name")
    op.alter_column("run_requests", "source_id", comment="null: every source")
    op.add_column(
        "run_requests",
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp() + '00:10:00'::interval"),
            comment="nobody may take it up after that",
        ),
    )
    comment = "who answered it, accepting or refusing"
    op.add_column("run_requests", sa.Column("accepted_by", sa.Text(), comment=comment))
    op.add_column("run_requests", sa.Column("reason", sa.Text(), comment="why it was refused"))
    op.create_index(
        "run_requests_pending_idx",
        "run_requests",
        ["requested_at"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("run_requests_source_idx", "run_requests", ["source_id", "requested_at"])
    op.create_table(
        "run_request_jobs",
        sa.Column("request_id", UUID, nullable=False),
        sa.Column("source_uid", sa.Text(), nullable=False),
        sa.Column("job_name", sa.Text(), nullable=False, comment="with source_uid: finds the run"),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["run_requests.request_id"],
            name=op.f("run_request_jobs_request_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("request_id", "source_uid", name=op.f("run_request_jobs_pkey")),
        comment="What was started for a request",
    )
    op.create_table(
        "run_request_keys",
        sa.Column("caller", sa.Text(), nullable=False, comment="keys of two callers never meet"),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of what was asked for"
        ),
        sa.Column("request_id", UUID, nullable=False),
        sa.Column("answer", postgresql.JSONB(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["run_requests.request_id"],
            name=op.f("run_request_keys_request_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("caller", "idempotency_key", name=op.f("run_request_keys_pkey")),
        comment="Answers that are given again to who asks again",
    )
    op.create_index(op.f("run_request_keys_request_id_idx"), "run_request_keys", ["request_id"])


def downgrade() -> None:
    op.drop_table("run_request_keys")
    op.drop_table("run_request_jobs")
    op.drop_index("run_requests_source_idx", "run_requests")
    op.drop_index("run_requests_pending_idx", "run_requests")
    for column in ("reason", "accepted_by", "expires_at"):
        op.drop_column("run_requests", column)
    op.alter_column("run_requests", "source_id", comment=None)
    op.add_column("run_requests", sa.Column("job_name", sa.Text(), nullable=True))
    op.add_column("run_requests", sa.Column("idempotency_key", sa.Text(), nullable=True))
    op.execute("UPDATE run_requests SET idempotency_key = request_id::text")
    op.alter_column("run_requests", "idempotency_key", nullable=False)
    op.create_unique_constraint(
        op.f("run_requests_idempotency_key_key"), "run_requests", ["idempotency_key"]
    )
