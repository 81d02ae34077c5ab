"""Checks a study's directory, and repairs what can be repaired.

Checking changes nothing. A repair deletes nothing: a damaged database is kept under another name,
beside a new one with all events before the first unusable one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paceline.core import InvalidInput, PacelineError, command_line
from paceline.core.commands import study_name
from paceline.core.events import Event, Json, Noted, SessionEnded
from paceline.core.texts import printable
from paceline.store import has_study, salvage
from paceline.store.files import leftovers, remove_leftovers
from paceline.store.paths import CHECKPOINTS, DATABASE
from paceline.study.health.findings import CHECKS, Contents, Finding, read
from paceline.study.record.checkpoint_index import NAME
from paceline.study.record.checkpoints import Checkpoints
from paceline.study.record.network_files import key_of
from paceline.study.record.record import REPAIRED
from paceline.study.record.replay import read_record


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of checking a study's directory.

    Attributes:
        directory: that of the study.
        findings: the results of all checks, in order.
        is_readable: whether the study can be opened as it is.
        can_be_repaired: whether a repair would fix something.
    """

    directory: Path
    findings: tuple[Finding, ...]
    is_readable: bool
    can_be_repaired: bool

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The findings that are wrong."""
        return tuple(finding for finding in self.findings if finding.level == "wrong")

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def __str__(self) -> str:
        summary = "Nothing is wrong."
        if self.wrong:
            number = "1 thing is" if len(self.wrong) == 1 else f"{len(self.wrong)} things are"
            summary = (
                f"{number} wrong; the study {'can' if self.is_readable else 'cannot'} be read as "
                f"it is."
            )
        if self.can_be_repaired:
            summary += f" To repair it: {command_line('doctor', self.directory)} --repair"
        head = f"Study {study_name(self.directory)}:"
        return printable("\n".join([head, *map(str, self.findings), summary]))


def examine(directory: Path) -> Diagnosis:
    """Checks everything in a study's directory; changes nothing.

    Raises:
        InvalidInput: there is no study.
    """
    return _diagnosis(_contents(directory))


def repair(directory: Path) -> Diagnosis:
    """Repairs what can be repaired; the findings begin with what was done.

    Raises:
        InvalidInput: there is no study.
        StudyLocked: another process is writing it.
        PacelineError: the repaired database cannot be written; the damaged one is as it was.
    """
    known, done = _contents(directory), []
    if _can_be_repaired(known):
        copy = salvage.rebuild(directory, known.num_events, _values_for(known), _events_for(known))
        done.append(
            Finding("note", f"Repaired: {DATABASE} is a new one; the damaged one is {copy.name}.")
        )
        if known.why:
            done.append(Finding("note", _lost(known)))
    if found := leftovers(directory):
        remove_leftovers(directory)
        done.append(Finding("note", f"Removed: {', '.join(folder.name for folder in found)}."))
    after = _diagnosis(_contents(directory))
    return Diagnosis(directory, (*done, *after.findings), after.is_readable, after.can_be_repaired)


def _contents(directory: Path) -> Contents:
    if not has_study(directory):
        expected = f"a study directory of Paceline (with a {DATABASE})"
        raise InvalidInput(f"{directory} contains no study", expected=expected)
    return read(directory)


def _diagnosis(known: Contents) -> Diagnosis:
    checks = CHECKS[:1] if known.is_newer else CHECKS
    findings = tuple(finding for check in checks for finding in check(known))
    return Diagnosis(known.directory, findings, _is_readable(known), _can_be_repaired(known))


def _can_be_repaired(known: Contents) -> bool:
    return known.is_damaged and known.num_events > 0


def _is_readable(known: Contents) -> bool:
    if known.why:
        return False
    try:
        read_record(known.directory)
    except PacelineError:
        return False
    return True


def _lost(known: Contents) -> str:
    """Describes what the damage has lost, as a sentence."""
    if not known.sees_the_end:
        return (
            f"An unknown number of events after the first {known.num_events:,} could not be read."
        )
    events, trials = (
        known.had_events - known.num_events,
        known.had_trials - len(known.folded.record.trials),
    )
    which = f"{events:,} events after the first {known.num_events:,} could not be read"
    return f"{which}; {trials:,} of {known.had_trials:,} trials were lost."


def _events_for(known: Contents) -> tuple[Event, ...]:
    """The usable events, extended where others are lost by that fact and an end of the session."""
    if not known.why:
        return ()
    clock = known.folded.clock
    return Noted(f"Repaired: {_lost(known)}"), SessionEnded(REPAIRED, clock.seconds - clock.spent)


def _values_for(known: Contents) -> Mapping[str, Json]:
    """The current values that are consistent with the usable events.

    Where events are lost, the stored states of strategy and queue are from a later time. Without
    them a session starts from the events, and proposes nothing twice. Checkpoints are kept if they
    belong to trials as they are in these events.
    """
    if not known.why:
        return known.values
    kept = {name: value for name, value in known.values.items() if name in ("writer", "signature")}
    record = known.folded.record
    if NAME in known.values:
        folder = known.directory / CHECKPOINTS
        try:
            index = Checkpoints(
                folder, known.values.get, lambda number: key_of(record.trials[number])
            )
        except PacelineError:
            return kept
        index.forget_all_but(record)
        kept |= index.take_changes()
    return kept
