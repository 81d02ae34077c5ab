"""How to repeat the study, its notes, and its failures."""

import json
from collections.abc import Iterator

from paceline.report import words
from paceline.report.columns import became
from paceline.report.page.command import command, python
from paceline.report.page.parts import Panel, details, facts, paragraph, table, text
from paceline.report.show import Summary, failures

_SHOWN_FAILURES, _LISTED = 20, 10


def panel(summary: Summary) -> Panel:
    """Versions, seed, command, settings, data; notes; failures."""
    body = "".join([*_how(summary), *_notes(summary), *_failures(summary)])
    return Panel("repeat", "How to repeat it", body)


def _how(summary: Summary) -> Iterator[str]:
    """The table of what is needed to run the study again."""
    record = summary.record
    if record.created is None:
        return
    settings, data = record.settings, record.created.data
    rows: list[tuple[str, object]] = []
    typed, called = command(summary), python(summary)
    rows.append(
        (
            "Command",
            typed or "not possible: something was passed from memory or has no option",
        )
    )
    rows.append(("Seed", settings.search.seed))
    rows.append(("Data", data.get("name", "a function")))
    if data.get("fingerprint"):
        rows.append(("Data fingerprint", data["fingerprint"]))
    for unit in ("rows", "batches"):
        counts = ", ".join(
            f"{part} {number:,}" for part, number in data.get(unit, {}).items() if number
        )
        if counts:
            rows.append((unit.capitalize(), counts))
    versions = record.sessions[-1].versions if record.sessions else {}
    rows.append(
        (
            "Versions",
            ", ".join(f"{name} {version}" for name, version in versions.items()) or "not recorded",
        )
    )
    rows.append(("Record's format", record.created.format))
    yield facts(rows)
    yield f"<h3>In Python</h3><pre>{text(called)}</pre>"
    columns = became(record)
    if columns:
        yield table(["column", "use"], columns, caption="Use of the columns")
    yield details(
        "All settings",
        f"<pre>{text(json.dumps(settings.to_json(), indent=2, default=str))}</pre>",
    )
    yield details(
        "The space", f"<pre>{text(json.dumps(record.space.to_json(), indent=2, default=str))}</pre>"
    )


def _notes(summary: Summary) -> Iterator[str]:
    if summary.record.notes:
        listed = "".join(f"<li>{text(note)}</li>" for note in summary.record.notes)
        yield f"<h3>Notes</h3><ul>{listed}</ul>"


def _failures(summary: Summary) -> Iterator[str]:
    found = failures(summary.record)
    if not found:
        return
    yield f"<h3>{text(words.count(sum(len(numbers) for _, numbers in found), 'failure'))}</h3>"
    for reason, numbers in found[:_SHOWN_FAILURES]:
        listed = ", ".join(map(str, numbers[:_LISTED])) + (
            ", ..." if len(numbers) > _LISTED else ""
        )
        traceback = summary.record.trials[numbers[0]].error or ""
        said = f"{words.count(len(numbers), 'trial')} ({listed}): {reason}"
        yield details(said, f"<pre>{text(traceback.strip())}</pre>")
    if len(found) > _SHOWN_FAILURES:
        yield paragraph(f"and {words.count(len(found) - _SHOWN_FAILURES, 'other reason')}.")
