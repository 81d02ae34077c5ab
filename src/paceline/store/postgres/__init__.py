"""The store of a team: studies in a PostgreSQL database."""

from paceline.store.postgres.listing import names_in
from paceline.store.postgres.store import PostgresStore

__all__ = ["PostgresStore", "names_in"]
