"""The first events of a session."""

import platform
from collections.abc import Sequence
from importlib import metadata

from paceline.core.events import (
    Event,
    Json,
    Noted,
    SessionStarted,
    SettingsChanged,
    SpaceChanged,
)
from paceline.study.planned.protocol import Plan
from paceline.study.record.recorder import Recorder
from paceline.study.resume.trust import remembered


def begin(plan: Plan, recorder: Recorder, strategy: Json | None) -> None:
    """Records that a study begins, or that it continues and which settings have changed.

    It is one transaction: if the process is killed meanwhile, either all or nothing is stored.

    Args:
        plan: that of the study.
        recorder: of the study.
        strategy: state of its strategy, as stored last; None in a new study.
    """
    values = remembered(plan.settings)
    events: list[Event]
    if recorder.record.created is None:
        space = SpaceChanged(plan.space.to_json())
        events = [
            plan.created.with_id(),
            SessionStarted(versions()),
            space,
            *map(Noted, plan.notes),
        ]
    else:
        changes = plan.changes_since(recorder.record, strategy)
        events = [SessionStarted(versions()), *changes]
        if is_other_strategy(changes):
            values = {"strategy": plan.strategy.to_json(), **values}
    recorder.tell(events, values)


def is_other_strategy(changes: Sequence[Event]) -> bool:
    """Whether these changes are to another search strategy."""
    changed = (one.changed for one in changes if isinstance(one, SettingsChanged))
    return any("search.strategy" in names for names in changed)


def versions() -> dict[str, str]:
    """Versions of the software that may affect a study's numbers."""
    names = ("paceline", "keras", "jax", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}
