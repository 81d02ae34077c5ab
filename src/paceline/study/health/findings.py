"""The single checks of a study's directory, which `paceline.study.health.doctor` combines."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

from paceline.core import InvalidInput, PacelineError, UnreadableStudy
from paceline.core.commands import url_of
from paceline.core.events import FORMAT, Json, StudyCreated
from paceline.store import files_of, open_store, salvage
from paceline.store.database_errors import NEWER
from paceline.store.files import leftovers
from paceline.store.paths import CHECKPOINTS, DATABASE, LOG, MODEL, UNSTORED, results_in
from paceline.store.writer import running
from paceline.study.models.best_file import fault_of
from paceline.study.record import parts, snapshot
from paceline.study.record.checkpoints import Checkpoints
from paceline.study.record.network_files import Unusable, key_of
from paceline.study.record.record import REPAIRED
from paceline.study.record.replay import Folded
from paceline.study.resume.how_to_resume import how_to_resume

_EMPTY = "it is empty"
_VALUES = ("writer", "signature", "strategy", "turns", "checkpoints")

Level = Literal["fine", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        level: ``"fine"``, ``"note"`` (for information) or ``"wrong"``.
        text: the result in a sentence or two.
        fix: what to do about it; empty if nothing.
    """

    level: Level
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.level:<5}  {self.text}{f' {self.fix}' if self.fix else ''}"


@dataclass(frozen=True, slots=True)
class Contents:
    """The readable contents of a study's database.

    Attributes:
        directory: that of the study.
        folded: the record of the events before the first unusable one.
        why: why that event is unusable; empty if all are usable.
        faults: errors that SQLite finds in the file's structure.
        values: the current values that can be read.
        bad_values: names of those that cannot be read.
        is_newer: whether a newer version wrote the study; nothing else is known then.
        had_events, had_trials: original numbers, as far as they can be determined, if some cannot
            be read.
        file: name of the study's file; "the record" where it is in a database elsewhere.
        writer: the process that writes the study, in words; None if none does.
    """

    directory: Path
    folded: Folded = field(default_factory=Folded)
    why: str = ""
    faults: tuple[str, ...] = ()
    values: Mapping[str, Json] = field(default_factory=dict)
    bad_values: tuple[str, ...] = ()
    is_newer: bool = False
    had_events: int = 0
    had_trials: int = 0
    file: str = DATABASE
    writer: str | None = None

    @property
    def num_events(self) -> int:
        """Number of usable events."""
        return self.folded.last

    @property
    def sees_the_end(self) -> bool:
        """Whether events after the first unusable one can be seen, so that the total is known."""
        return self.had_events > self.num_events

    @property
    def is_damaged(self) -> bool:
        """Whether a new database of the usable events would be better than the present one."""
        faulty = bool(self.why or self.faults or self.bad_values)
        return faulty and self.file == DATABASE

    @property
    def best_model(self) -> Mapping[str, Json] | None:
        """Stored description of the study's final model; None if there is none."""
        index = self.values.get("checkpoints")
        found = index.get("best_model") if isinstance(index, Mapping) else None
        return found if isinstance(found, Mapping) and found else None

    @property
    def how_to_resume(self) -> str:
        """How to continue the study, see `paceline.study.resume.how_to_resume`."""
        return how_to_resume(self.folded.record, self.directory)


def read(directory: Path) -> Contents:
    """Reads everything of a study that is readable."""
    file = files_of(directory)[0].name
    return _read_database(directory) if file == DATABASE else _read_store(directory, file)


def _read_store(directory: Path, file: str) -> Contents:
    """Reads a store other than SQLite, which reports damage itself."""
    folded, values, bad, why = Folded(), {}, [], ""
    file = "the record" if url_of(directory) else file  # the file only has the address
    try:
        store = open_store(directory, writable=False)
    except PacelineError as error:
        return Contents(directory, why=_reason(error), file=file)
    try:
        for one in store.events():
            folded.take(one)
    except (PacelineError, ValueError) as error:
        why = _reason(error)
    names = [*_VALUES]
    for name in names:
        try:
            values[name] = store.value(name)
            names += parts.names_of_parts(name, values[name])
        except (PacelineError, ValueError, TypeError):
            bad.append(name)
    writer = None
    with suppress(PacelineError):
        writer = store.running(values.get("writer"))
    store.close()
    return Contents(
        directory, folded, why, (), values, tuple(bad), why == NEWER, file=file, writer=writer
    )


def _read_database(directory: Path) -> Contents:
    folded, why = Folded(), ""
    try:
        if salvage.is_empty(directory):
            return Contents(directory, why=_EMPTY)
        for one in salvage.events(directory):
            if isinstance(one.event, StudyCreated) and one.event.format > FORMAT:
                return Contents(directory, is_newer=True)
            folded.take(one)
    except PacelineError as error:
        why = _reason(error)
        if why == NEWER:
            return Contents(directory, is_newer=True)
    except ValueError as error:
        why = str(error)
    had = salvage.counts(directory) if why and folded.last else (0, 0)
    had = max(had[0], folded.last), max(had[1], len(folded.record.trials))
    values, bad, faults = _beside_events(directory)
    if faults and not folded.last:
        why = why or faults[0]
    writer = running(values.get("writer"))
    return Contents(
        directory, folded, why, tuple(faults), values, tuple(bad), False, *had, writer=writer
    )


def _beside_events(directory: Path) -> tuple[dict[str, Json], list[str], list[str]]:
    """Current values, the names of unreadable ones, and errors that SQLite finds in the file."""
    values: dict[str, Json] = {}
    bad, faults = ["all"], []
    try:
        values, bad = salvage.values(directory)
        faults = salvage.faults(directory)
    except PacelineError as error:
        faults = [_reason(error)]
    return values, bad, faults


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, UnreadableStudy) else str(error)


def database(known: Contents) -> Iterator[Finding]:
    """Checks whether the database is intact."""
    count = f"{known.num_events:,} events"
    if known.is_newer:
        text = (
            f"{known.file} was written by a newer Paceline, so it cannot be checked further here."
        )
        yield Finding("wrong", text, "Install a newer one: pip install --upgrade paceline")
        return
    results = results_in(known.directory)
    if not known.num_events and known.why in ("", _EMPTY) and results:
        text = (
            f"{known.file} is empty, but there are results beside it ({', '.join(results)}): it "
            f"was damaged."
        )
        yield Finding(
            "wrong", text, f"Restore it from a copy, together with {LOG} where there is one."
        )
    elif known.why == _EMPTY:
        text = (
            f"{known.file} is empty: it was damaged, or the study was stopped before it stored "
            f"anything."
        )
        yield Finding("wrong", text, "Restore it from a copy, or run again what was to begin it.")
    elif known.why and not known.num_events:
        yield Finding(
            "wrong", f"{known.file} cannot be read ({known.why}).", "Restore it from a copy."
        )
    elif known.why:
        yield Finding("wrong", _damaged(known, count))
    elif known.faults:
        yield Finding(
            "wrong",
            f"{known.file} is damaged ({'; '.join(known.faults)}), but all {count} can be read.",
        )
    elif known.num_events:
        yield Finding(
            "fine", f"{known.file} is whole: {count}, {len(known.folded.record.trials):,} trials."
        )
    else:
        yield Finding(
            "note",
            "The study was stopped before it stored anything.",
            "Run the same command or call again.",
        )
    if known.bad_values and not (known.why and not known.num_events):
        yield Finding(
            "wrong",
            f"Current values in {known.file} cannot be read: {', '.join(known.bad_values)}.",
        )


def _damaged(known: Contents, count: str) -> str:
    """Describes the damage, and what a repair would keep."""
    trials = f"{len(known.folded.record.trials):,}"
    first, left = count, f"{trials} trials that can be seen"
    if known.sees_the_end:
        first = f"{known.num_events:,} of {known.had_events:,} events"
        left = f"{trials} of {known.had_trials:,} trials"
    return (
        f"{known.file} is damaged after the first {first} ({known.why}): {left} would be left by a "
        "repair."
    )


def writer(known: Contents) -> Iterator[Finding]:
    """Checks whether the study is being written, or was interrupted."""
    ended = known.folded.record.ended
    if known.writer is not None and ended is None and not known.why:
        yield Finding("note", f"It is being written by {known.writer}.")
    elif ended is not None and ended.reason == REPAIRED:
        yield Finding(
            "note",
            "It was repaired, and has not ended.",
            f"Continue it {known.how_to_resume}",
        )
    elif ended is None and known.folded.record.created is not None and not known.why:
        yield Finding(
            "note",
            "Its last process died; what was measured is kept.",
            f"Continue it {known.how_to_resume}",
        )


def log(known: Contents) -> Iterator[Finding]:
    """Checks whether the database is a single file, which it is not while it is being written."""
    path = known.directory / LOG
    is_written = known.folded.record.ended is None and known.writer is not None
    if not is_written and path.is_file() and path.stat().st_size:
        text = f"{LOG} belongs to the study: to copy it, copy both it and {DATABASE}."
        yield Finding("note", text, "The next session puts them together.")


def kept_snapshot(known: Contents) -> Iterator[Finding]:
    """Checks whether the snapshot of the record, if any, is readable by this version."""
    try:
        store = open_store(known.directory, writable=False)
    except PacelineError:
        return  # reported with the database
    try:
        found = store.snapshot()
    finally:
        store.close()
    if found is not None and snapshot.load(found.body) is None:
        yield Finding(
            "note", "Its snapshot is of another version; the next session writes a new one."
        )


def checkpoints(known: Contents) -> Iterator[Finding]:
    """Checks whether every network that the study keeps exists and is the one that was stored."""
    record, folder = known.folded.record, known.directory / CHECKPOINTS
    if "checkpoints" not in known.values or not known.num_events:
        return
    try:
        kept = Checkpoints(folder, known.values.get, lambda number: key_of(record.trials[number]))
    except PacelineError as error:
        yield Finding("wrong", str(error))
        return
    count = 0
    for whose, fix, load in kept.checks(
        record, is_in_file=not fault_of(known.directory / MODEL, known.best_model)
    ):
        try:
            load()
            count += 1
        except (Unusable, LookupError) as why:
            yield Finding("wrong", f"The {whose} cannot be used ({why}).", fix)
    if count:
        text = "1 network is" if count == 1 else f"{count:,} networks are"
        yield Finding("fine", f"{text} in {CHECKPOINTS} as they were stored.")


def best_model(known: Contents) -> Iterator[Finding]:
    """Checks whether the file of the best model is the one that was written, and loads."""
    path, stored = known.directory / MODEL, known.best_model
    if not path.exists() and (stored is None or stored.get("keras", {}).get("reason")):
        return
    if fault := fault_of(path, stored):
        away = "" if path.is_file() or not path.exists() else "Move it away. "
        yield Finding(
            "wrong",
            f"{MODEL} {fault}.",
            f"{away}It is written again when the study is resumed. Continue it "
            f"{known.how_to_resume}",
        )
        return
    from paceline.study.stored_models import load_file

    try:
        load_file(path)
        is_same = stored is not None and "crc32" in stored.get("keras", {})
        yield Finding(
            "fine", f"{MODEL} {'is as it was stored, and loads' if is_same else 'loads'}."
        )
    except InvalidInput as error:
        by_weights = "The weights are among the checkpoints as well: study.best_model(build=build)"
        yield Finding(
            "note" if stored else "wrong", f"{error.passed}.", by_weights if stored else ""
        )


def unfinished(known: Contents) -> Iterator[Finding]:
    """Checks for files that a killed process left half-written."""
    if found := leftovers(known.directory):
        names = ", ".join(folder.name for folder in found)
        yield Finding(
            "note", f"A process that was killed left {names}; the next session removes that."
        )
    if (known.directory / UNSTORED).exists():
        yield Finding(
            "note",
            f"Its database could not be used; what could not be stored is in {UNSTORED}.",
            "The next session on this machine stores it.",
        )


def versions(known: Contents) -> Iterator[Finding]:
    """Checks whether the study's package versions are those installed here."""
    sessions = known.folded.record.sessions
    if not sessions:
        return
    different = []
    for name, was in sessions[-1].versions.items():
        now = _installed(name)
        if now != was:
            different.append(f"{name} {was} ({now or 'not installed'} here)")
    if different:
        text = (
            f"It was made with {', '.join(different)}; what is computed here may differ in the "
            f"last digits."
        )
        yield Finding("note", text)


def _installed(name: str) -> str | None:
    try:
        return platform.python_version() if name == "python" else metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


CHECKS = (database, writer, log, kept_snapshot, checkpoints, best_model, unfinished, versions)
"""All checks in the order of the report; only the first applies to a study of a newer version."""
