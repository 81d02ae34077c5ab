"""Continues a study in another space: what is refused, and what is recorded.

What becomes of each trial is said in `paceline.space.moving`. Trials of the new space go on being
trials like any other. Those that have lost a value guide the search, and can be neither the best
nor finalists: the network of now is not the one that they measured. Those that lie outside stay in
the record, and nothing rests on them.
"""

from collections.abc import Mapping
from pathlib import Path

from paceline.core import Configuration, StudyMismatch, TrialState
from paceline.core.events import Event, Noted, SpaceReplaced, TrialEnded
from paceline.space import Space, differences
from paceline.study.record.membership import moved
from paceline.study.record.record import Record

_CHANGE = (
    "To continue in the current space, pass change_space=True to tune or resume (on the terminal: "
    "--change-space)."
)
_FIXED = "Where one value is to stay, keep the hyperparameter and pass fixed={name: value}: trials with it count in full."


def changed(
    before: Space,
    now: Space,
    record: Record,
    directory: Path,
    may_change: bool,
    whole: Space | None = None,
) -> list[Event]:
    """What has to be recorded when a study goes on with this space.

    Args:
        before: what of the space was given, or found by builds, when it was last asked for.
        now: the same, as it is asked for now.
        record: of the study.
        directory: where it lives, for the message.
        may_change: whether the user lets it change.
        whole: all of the space as it is now; None where that is ``now``.

    Raises:
        StudyMismatch: they differ, and the space may not change; it says how.
    """
    # what trials have added to the space may since be found by builds, too
    found = {
        name: told
        for name, told in differences(before, now).items()
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
    """What to do about a mismatch."""
    return f"Use another directory, or what {directory} was made with."


def note_of_call(before: Space, record: Record) -> Noted:
    """What is noted once a call has shown that the space was changed, and the record has taken
    that.
    """
    away = {
        number: config
        for number, config in record.moved.items()
        if number in record.membership.earlier
    }
    return _note(differences(before, record.space), len(record.membership.earlier), away)


# -- functions: a part of the space may be given, and the rest is what calls have shown


def given_before(record: Record, given: Space) -> Space:
    """What of a function's space was given, and what calls had shown of what is given now.

    Args:
        record: of the study.
        given: what is given now.
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
    """What is given now, and what calls had shown beside what was given before."""
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
    return Noted(" ".join([f"The space was changed: {_listed(found)}.", *_told(count, away)]))


def _listed(found: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {what}" for name, what in found.items())


def _told(count: int, away: Mapping[int, Configuration | None]) -> list[str]:
    """What becomes of so many trials, in sentences."""
    if not count:
        return []
    outside = sum(config is None for config in away.values())
    partial = len(away) - outside
    told = [f"{_counted(count - len(away))} of {count:,} belong to the new space."]
    if partial:
        told.append(
            f"{_counted(partial)} have a value of what is gone: the search learns from them, and "
            f"none of them can be "
            f"the best. {_FIXED}"
        )
    if outside:
        told.append(f"{_counted(outside)} lie outside of it, and count for nothing.")
    return told


def _counted(count: int) -> str:
    return f"{count:,} trial" if count == 1 else f"{count:,} trials"
