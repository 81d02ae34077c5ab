"""The configurations that a study has tried."""

from collections.abc import Set

from paceline.study.record.record import Record


class TriedConfigurations:
    """The keys of the configurations of all trials, see `Space.key`."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.reset()

    def reset(self) -> None:
        """Takes over the trials that are of the current space."""
        space, moved = self._record.space, self._record.moved
        self._keys: dict[int, str] = {
            number: space.key(trial.config)
            for number, trial in self._record.trials.items()
            if number not in moved
        }
        self._tried = set(self._keys.values())

    @property
    def keys(self) -> Set[str]:
        """The keys."""
        return self._tried

    def add(self, number: int, key: str) -> None:
        """Adds a new trial."""
        self._keys[number] = key
        self._tried.add(key)

    def replace(self, number: int) -> None:
        """Takes over a trial's configuration as it was used: a function may have asked for more."""
        key = self._record.space.key(self._record.trials[number].config)
        proposed = self._keys.get(number)
        if key == proposed:
            return
        self.add(number, key)
        if proposed is not None and proposed not in self._keys.values():
            self._tried.discard(proposed)
