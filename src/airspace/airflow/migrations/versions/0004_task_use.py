"""What the processes of each try of a task used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_task_use"
down_revision = "0003_dag_holds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "airspace_task_use",
        sa.Column("task_instance", sa.Uuid, primary_key=True),
        sa.Column("cpu", sa.BigInteger, nullable=False),
        sa.Column("wall", sa.BigInteger, nullable=False),
        sa.Column("memory", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("airspace_task_use")
