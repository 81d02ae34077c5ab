"""How the columns of a table are used."""

from collections.abc import Iterator

from paceline.study import Record

_SHOWN = 12  # columns of the same use that are named


def became(record: Record) -> list[tuple[str, str]]:
    """Each column of the study's table with its use; empty if the data are not a table."""
    preparation = None if record.created is None else record.created.data.get("preparation")
    return [(name, use) for name, use in (preparation or {}).get("became", ())]


def rows_of_model(record: Record) -> Iterator[str]:
    """How rows of a table are passed to the model, if they hold more than numbers."""
    preparation = {} if record.created is None else record.created.data.get("preparation") or {}
    columns = preparation.get("columns", ())
    if any(column["categories"] or (column["form"] or {}).get("date") for column in columns):
        yield "It takes rows of numbers: study.prepare(frame) makes them of the table's columns."


def lines(record: Record) -> Iterator[str]:
    """The same as text, a line for each use: columns that are left out come last."""
    kinds: dict[str, list[str]] = {}
    for name, use in became(record):
        kinds.setdefault(use, []).append(name)
    if kinds:
        yield "Use of the columns:"
    for use, names in sorted(kinds.items(), key=lambda pair: pair[0].startswith("left out")):
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"  {', '.join(names[:_SHOWN])}{more}: {use}"
