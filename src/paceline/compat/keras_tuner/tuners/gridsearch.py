"""Grid search."""

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameter
from paceline.compat.keras_tuner.engine.oracle import Oracle
from paceline.compat.keras_tuner.engine.synchronized import synchronized
from paceline.compat.keras_tuner.engine.trial import TrialStatus
from paceline.compat.keras_tuner.engine.tuner import Tuner


class LinkedList:
    """A list whose items are known, and into which others are inserted after any of them."""

    def __init__(self) -> None:
        self._next: dict[Hashable, Any] = {}
        self._last: Any = None

    def insert(self, data: Hashable, data_pre: Hashable | None = None) -> None:
        """Inserts an item after another one; at the end without one."""
        before = self._last if data_pre is None else data_pre
        self._next[data] = self._next.get(before)
        if before is not None:
            self._next[before] = data
        if before == self._last:
            self._last = data

    def next(self, data: Hashable) -> Any:
        """The item after another one; None after the last."""
        return self._next[data]

    def items(self) -> list[Any]:
        """All items in order."""
        later = set(self._next.values())
        item = next((one for one in self._next if one not in later), None)
        found = []
        while item is not None:
            found.append(item)
            item = self._next[item]
        return found


class GridSearchOracle(Oracle):
    """Tries every configuration, the defaults first; the last hyperparameters change first.

    Hyperparameters that a trial discovers join the grid: trials have an order, that of their
    values, and what is missing between two of them is filled in.

    Args:
        objective, max_trials, **options: see `Oracle`.
    """

    strategy: ClassVar[str | None] = "grid"

    def __init__(
        self, objective: Any = None, max_trials: int | None = None, **options: Any
    ) -> None:
        super().__init__(objective, max_trials, **options)
        self._order = LinkedList()
        self._unvisited: list[str] = []  # trials whose next configuration was not looked for

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The next configuration of the grid."""
        if not self.start_order:
            self._order.insert(trial_id)
            self._unvisited.append(trial_id)
            return {"status": TrialStatus.RUNNING, "values": self._defaults()}
        while self._unvisited:
            earlier = self._unvisited.pop(0)
            values = self._after(self.trials[earlier].hyperparameters.values)
            if values is None:
                continue
            later = self._order.next(earlier)
            if later is not None:
                known = self.trials[later].hyperparameters.values
                if self._place(values) >= self._place(known):
                    continue
            self._order.insert(trial_id, earlier)
            return {"status": TrialStatus.RUNNING, "values": values}
        is_waiting = bool(self.ongoing_trials)  # they may discover hyperparameters
        return {"status": TrialStatus.IDLE if is_waiting else TrialStatus.STOPPED, "values": None}

    @synchronized
    def end_trial(self, trial: Any, status: str = TrialStatus.COMPLETED) -> None:
        """See `Oracle`; what comes next in the grid is looked for again."""
        super().end_trial(trial, status)
        self._unvisited.append(trial if isinstance(trial, str) else trial.trial_id)

    def get_state(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            **super().get_state(),
            "order": self._order.items(),
            "unvisited": self._unvisited,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes over a state of `get_state`."""
        super().set_state(state)
        self._order = LinkedList()
        for one in state["order"]:
            self._order.insert(one)
        # a kill may have come between the end of a trial and this
        self._unvisited = [*state["unvisited"], *self.trials]

    def _continue_trials(self) -> None:
        """See `Oracle`; the trials are put in the order of the grid."""
        super()._continue_trials()
        place = {name: self._place(one.hyperparameters.values) for name, one in self.trials.items()}
        for name in sorted(self.trials, key=place.__getitem__):
            self._order.insert(name)
        self._unvisited = list(self._order.items())

    def _defaults(self) -> dict[str, Any]:
        space = self.get_space()
        space.values = {}
        for one in space.space:
            if space.is_active(one):
                space.values[one.name] = one.default
        return space.values

    def _after(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The configuration after another one; None after the last."""
        space = self.get_space()
        space.values = dict(values)
        changed = None
        for one in reversed(space.space):
            if not space.is_active(one):
                if not space.is_active(one.name):
                    space.values.pop(one.name, None)
                continue
            each = _ordered(one)
            place = each.index(values[one.name]) if values.get(one.name) in each else 0
            if place + 1 < len(each):
                changed = one
                space.values[one.name] = each[place + 1]
                break
        if changed is None:
            return None
        start = space.space.index(changed) + 1
        for one in space.space[start:]:
            if space.is_active(one):
                space.values[one.name] = one.default
            elif not space.is_active(one.name):
                space.values.pop(one.name, None)
        return space.values

    def _place(self, values: Mapping[str, Any]) -> tuple[int, ...]:
        """The place of a configuration in the order of the grid; inactive ones count as 0."""
        return tuple(
            _ordered(one).index(values[one.name]) if values.get(one.name) in _ordered(one) else 0
            for one in self.hyperparameters.space
        )


def _ordered(one: HyperParameter) -> list[Any]:
    """The values of a hyperparameter, its default first."""
    others = dict.fromkeys(one.values)
    others.pop(one.default, None)
    return [one.default, *others]


class GridSearch(Tuner):
    """Tries every configuration, the default first; continuous ranges at 10 values.

    Args:
        hypermodel, objective: as in `RandomSearch`.
        max_trials: how many configurations at most; None for all.
        seed, hyperparameters, tune_new_entries, allow_new_entries, max_retries_per_trial,
            max_consecutive_failed_trials: see `Oracle`.
        **options: see `Tuner`.
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int | None = None,
        seed: int | None = None,
        hyperparameters: Any = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **options: Any,
    ) -> None:
        oracle = GridSearchOracle(
            objective,
            max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **options)
