"""Dags on their way to another team."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_dag_holds"
down_revision = "0002_holds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "airspace_dag_hold",
        sa.Column("dag_id", sa.String(250), primary_key=True),
        sa.Column("team", sa.String(50), nullable=False),
        sa.Column("target", sa.String(50), nullable=False),
        sa.Column("moved", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("airspace_dag_hold")
