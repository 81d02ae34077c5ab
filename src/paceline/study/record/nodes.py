"""What works for a study now, on which machines: a current value of the store, and no event.

It is there for those who watch the study; the record is the same without it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from paceline.core.events import Json
from paceline.store import Store

_NAME = "nodes"

Nodes = Mapping[str, Any]
"""As it is stored: ``nodes``, see `paceline.execute.base.ExecutorUpdate`; ``has_trials``, whether
the numbers of trials there are those of the study; ``writer``, whose session it is of."""


def store_nodes(store: Store, nodes: Sequence[Mapping[str, Json]], *, has_trials: bool) -> None:
    """Stores what works for the session that runs.

    Args:
        store: of the study, which this process writes.
        nodes: see `ExecutorUpdate.nodes`.
        has_trials: whether the numbers of trials there are those of the study.
    """
    writer = store.value("writer")
    store.append([], {_NAME: {"writer": writer, "has_trials": has_trials, "nodes": list(nodes)}})


def nodes_of(store: Store, writer: Json | None) -> Nodes | None:
    """What works for the session of a writer; None if nothing is known."""
    found = store.value(_NAME)
    return found if isinstance(found, dict) and found.get("writer") == writer else None
