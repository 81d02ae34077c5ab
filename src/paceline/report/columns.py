"""What became of the columns of a table."""

from collections.abc import Iterator

from paceline.study import Record

_SHOWN = 12  # columns that are named of those that became the same


def became(record: Record) -> list[tuple[str, str]]:
    """Each column of the study's table with what became of it; empty where the data are no
    table.
    """
    preparation = None if record.created is None else record.created.data.get("preparation")
    return [(name, told) for name, told in (preparation or {}).get("became", ())]


def rows_of_model(record: Record) -> Iterator[str]:
    """How rows of a table reach the model, where they hold more than numbers."""
    preparation = {} if record.created is None else record.created.data.get("preparation") or {}
    columns = preparation.get("columns", ())
    if any(
        column["kind"] == "categorical" or (column["form"] or {}).get("date") for column in columns
    ):
        yield "It takes rows of numbers: study.prepare(frame) makes them of the table's columns."


def lines(record: Record) -> Iterator[str]:
    """The same as a sentence for each kind: what is used first, what is left out last."""
    kinds: dict[str, list[str]] = {}
    for name, told in became(record):
        kinds.setdefault(told, []).append(name)
    if kinds:
        yield "What became of the columns:"
    for told, names in sorted(kinds.items(), key=lambda pair: pair[0].startswith("left out")):
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"  {', '.join(names[:_SHOWN])}{more}: {told}"
