"""Users, members, teams and asset grants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "airspace_user",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("password_hash", sa.Text, nullable=True),
        sa.Column("platform_role", sa.String(16), nullable=True),
        sa.Column("support_role", sa.String(16), nullable=True),
        sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "airspace_member",
        sa.Column("team", sa.String(50), primary_key=True),
        sa.Column("user_name", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
    )
    op.create_index("ix_airspace_member_user_name", "airspace_member", ["user_name"])
    op.create_table(
        "airspace_team",
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("bundle", sa.String(250), nullable=False, unique=True),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "airspace_asset_grant",
        sa.Column("team", sa.String(50), primary_key=True),
        sa.Column("asset", sa.String(250), primary_key=True),
        sa.Column("consumer", sa.String(50), primary_key=True),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("airspace_asset_grant", "airspace_team", "airspace_member", "airspace_user"):
        op.drop_table(table)
