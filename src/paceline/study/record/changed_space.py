"""Continues a study in another space: what is refused, and what is recorded.

`paceline.space.moving` describes what happens to each trial. Trials that belong to the new space
count as before. Those that have lost a value guide the search, but can be neither the best nor
finalists, since they measured another network. Those outside of the space stay in the record and
are not used.
"""

from collections.abc import Mapping
from pathlib import Path

from paceline.core import Configuration, StudyMismatch, TrialState
from paceline.core.events import Event, Noted, SpaceReplaced, TrialEnded
from paceline.space import Space, differences
from paceline.study.record.membership import moved
from paceline.study.record.record import Record

_CHANGE = (
    "To continue in the new space, pass change_space=True to tune or resume (on the terminal: "
    "--change-space)."
)
_FIXED = (
    "Where one value is to stay, keep the hyperparameter and pass fixed={name: value}: trials with "
    "it count in full."
)


def changed(
    before: Space,
    now: Space,
    record: Record,
    directory: Path,
    may_change: bool,
    whole: Space | None = None,
) -> list[Event]:
    """Events to record when a study continues with this space.

    Args:
        before: the part of the space that was given, or found by builds, in the last call.
        now: the same for the present call.
        record: that of the study.
        directory: that of the study, for the message.
        may_change: whether the user allows the space to change.
        whole: the whole present space; None where that is ``now``.

    Raises:
        StudyMismatch: they differ, and the space may not change; the message lists the differences.
    """
    # what trials added to the space may now be found by builds as well
    found = {
        name: difference
        for name, difference in differences(before, now).items()
        if record.space.variants(name) != now.variants(name)
    }
    if not found:
        return []
    if not may_change:
        raise StudyMismatch(
            f"the space differs in {', '.join(found)} ({_listed(found)})",
            expected=f"the space of {directory}",
            fix=f"{_CHANGE} {another_directory(directory)}",
        )
    whole = now if whole is None else whole
    away = moved(record.trials, record.moved, record.space, whole)
    ended = [
        _ended(number, config)
        for number, config in away.items()
        if not record.trials[number].state.is_final
    ]
    return [SpaceReplaced(whole.to_json()), *ended, _note(found, len(record.trials), away)]


def another_directory(directory: Path) -> str:
    """Advice about a mismatch."""
    return f"Use another directory, or what {directory} was made with."


def note_of_call(before: Space, record: Record) -> Noted:
    """The note for a space that a call has changed, once the record has the change."""
    away = {
        number: config
        for number, config in record.moved.items()
        if number in record.membership.earlier
    }
    return _note(differences(before, record.space), len(record.membership.earlier), away)


# -- functions: a part of the space may be given, and calls have shown the rest


def given_before(record: Record, given: Space) -> Space:
    """The part of a function's space that was given, and what calls had shown of the present one.

    Args:
        record: that of the study.
        given: the space that is given now.
    """
    stored = record.settings.function.space
    had = Space() if stored is None else Space.from_json(stored)
    shown = [
        h
        if any(one.definition == h.definition for one in record.space.variants(h.name))
        else one.definition
        for h in given
        if h.name not in had
        for one in record.space.variants(h.name)[:1]
    ]
    known = {h.name for h in (*had, *shown)}
    plain = (h.with_conditions([c for c in h.conditions if c.parent in known]) for h in shown)
    return Space((*had, *plain))


def regrown(given: Space, record: Record) -> Space:
    """The space given now, extended by what calls had shown beside the earlier given space."""
    gone = {*given.names, *given_before(record, given).names}
    rest = [h for h in record.space if h.name not in gone]
    names = {h.name for h in (*given, *rest)}
    kept = (h.with_conditions([c for c in h.conditions if c.parent in names]) for h in rest)
    return Space((*given, *kept))


def _ended(number: int, config: Configuration | None) -> TrialEnded:
    why = (
        "is not in the space since that was changed"
        if config is None
        else "lost a value when the space was changed"
    )
    return TrialEnded(number, TrialState.STOPPED, None, None, f"its configuration {why}")


def _note(found: Mapping[str, str], count: int, away: Mapping[int, Configuration | None]) -> Noted:
    return Noted(
        " ".join([f"The space was changed: {_listed(found)}.", *_consequences(count, away)])
    )


def _listed(found: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {what}" for name, what in found.items())


def _consequences(count: int, away: Mapping[int, Configuration | None]) -> list[str]:
    """The consequences for these trials, as sentences."""
    if not count:
        return []
    outside = sum(config is None for config in away.values())
    partial = len(away) - outside
    sentences = [f"{_counted(count - len(away))} of {count:,} belong to the new space."]
    if partial:
        sentences.append(
            f"{_counted(partial)} have a value of what is gone: the search learns from them, and "
            f"none of them can be the best. {_FIXED}"
        )
    if outside:
        sentences.append(f"{_counted(outside)} lie outside of it, and count for nothing.")
    return sentences


def _counted(count: int) -> str:
    return f"{count:,} trial" if count == 1 else f"{count:,} trials"
