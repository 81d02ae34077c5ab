"""The tables of a study's database."""

import sqlalchemy as sa

METADATA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
VALUES = sa.Table(
    "current",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
SNAPSHOTS = sa.Table(
    "snapshot",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
    sa.Column("checksum", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
