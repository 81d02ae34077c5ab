"""The studies of a database."""

import sqlalchemy as sa

from paceline.store.postgres.address import parse
from paceline.store.postgres.schema import version_of
from paceline.store.postgres.server import connect, explained

_NAMES = sa.text("SELECT name FROM paceline_studies ORDER BY id")


def names_in(text: str) -> list[str]:
    """The addresses of the studies of a database, the oldest first.

    Args:
        text: the address of the database, or of a study: then those whose names begin with it.

    Raises:
        InvalidInput: no address.
        PacelineError: the server cannot be used.
    """
    address = parse(text, needs_name=False)
    with explained(address), connect(address, writable=False) as connection:
        if not version_of(connection, address):
            return []
        names = [row.name for row in connection.execute(_NAMES)]
    first = address.name
    return [
        address.named(name).text
        for name in names
        if not first or name == first or name.startswith(f"{first}/")
    ]
