"""The record of a study: its trials, its best, its settings and costs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from paceline.core import Configuration, Trial, TrialState
from paceline.core.events import Event
from paceline.settings.description import Settings
from paceline.space import Space
from paceline.study.record.state import RecordState, but_for_epochs

T = TypeVar("T")

REPAIRED = "repaired"
"""The reason of the end of a session whose last events could not be read."""


@dataclass(eq=False)
class Record(RecordState):
    """The record of a study, made by applying its events in order; see `RecordState`."""

    @property
    def notes_of_final(self) -> list[str]:
        """The notes about the result of the final, or why there is none."""
        return self.outcome_status.notes

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Record":
        """The record that these events add up to."""
        record = cls()
        for event in events:
            record.apply(event)
        return record

    @property
    def settings(self) -> Settings:
        """What was asked for, as it stands: that of the first event with its changes."""
        if self._settings is None:
            goal = None if self.created is None else self.objective
            self._settings = Settings.from_json(self._stored_settings, goal)
        return self._settings

    def copied(self, **fields: Any) -> "Record":
        """A copy with these fields, which knows what was computed from this record."""
        copy = replace(self, **fields)
        copy._remembered = dict(self._remembered)
        return copy

    def remembered(self, name: str, key: Any, compute: Callable[[], T]) -> T:
        """What was computed from this record under a name, unless its key has changed since."""
        known = self._remembered.get(name)
        if known is None or known[0] != key:
            known = self._remembered[name] = (key, compute())
        return known[1]

    @property
    def best(self) -> Trial | None:
        """The winner of the final; without one the best of the search; None while there is none."""
        if self.final is not None and self.final.winner is not None:
            return self.trial(self.final.winner)
        return self.best_of_search

    @property
    def best_of_search(self) -> Trial | None:
        """The trial with the best score of the search, the earliest of equals; None while there is
        none. Its score is optimistically biased: it was chosen by it.
        """
        return None if self._best is None else self.trial(self._best)

    @property
    def default(self) -> Trial | None:
        """The trial of the user's default configuration, however far it came; None where there is
        none that works.
        """
        values = self.space.complete({})
        key = self.space.key(values)
        for number, trial in self.trials.items():
            # the values first: the key of each of many trials would take seconds
            alike = all(trial.config.get(name, value) == value for name, value in values.items())
            works = number not in self.moved and trial.state is not TrialState.FAILED
            if alike and works and self.space.key(trial.config) == key:
                return trial
        return None

    @property
    def final_is_current(self) -> bool:
        """Whether a final has named its winner, and no trial came after it."""
        return (
            self.final is not None
            and self.final.winner is not None
            and not self.outcome_status.has_newer_trials
        )

    @property
    def outcome(self) -> str:
        """How many trials there are and what the best one scored, in a few words."""
        best = self.best
        told = "no score yet" if best is None else f"best {self.objective.metric} {best.score:.6g}"
        return f"{len(self.trials)} trials, {told}"

    @property
    def programs_compiled(self) -> int:
        """XLA programs that were compiled from scratch."""
        return sum(event.from_scratch for event in self.compilations)

    def trial(self, number: int) -> Trial:
        """A trial with its measurements; those of a trial that is read off another are the
        other's.
        """
        trial = self.trials[number]
        if trial.prefix_of is None:
            return trial
        return replace(
            trial, measurements=self.trials[trial.prefix_of].measurements[: trial.epochs]
        )

    def all_trials(self) -> list[Trial]:
        """Every trial with its measurements, in order."""
        return [self.trial(number) for number in self.trials]

    @property
    def found_space(self) -> Space:
        """The space as it was given or found when it was last asked for, without what trials have
        added to it.
        """
        asked_for = [one.space for one in self.spaces if one.trial is None]
        return Space.from_json(asked_for[-1]) if asked_for else Space()

    def members(self) -> list[Trial]:
        """Every trial of the space as it stands: those that can be the best, and need not be run
        again.
        """
        return [self.trial(number) for number in self.trials if number not in self.moved]

    def observed(self) -> list[Trial]:
        """Every trial that says something of the space as it stands, with its configuration
        there.
        """
        return [trial for number in self.trials if (trial := self.observation(number)) is not None]

    def observation(self, number: int) -> Trial | None:
        """A trial with its configuration in the space as it stands; None where it lies outside."""
        if number not in self.moved:
            return self.trial(number)
        config = self.moved[number]
        return None if config is None else replace(self.trial(number), config=config)

    def num_measured(self, number: int) -> int:
        """Epochs measured of a trial that trains itself."""
        return len(self.trials[number].measurements)

    @property
    def num_by_state(self) -> dict[TrialState, int]:
        """How many trials are in each state that any is in."""
        return {state: self._counts[state] for state in TrialState if self._counts[state]}

    def num_ended(self, *states: TrialState) -> int:
        """Trials in one of these states; in any final state when none is named."""
        return sum(
            self._counts[state] for state in states or TrialState if states or state.is_final
        )

    def longest(self, config: Configuration, seed: int) -> Trial | None:
        """The completed trial that differs from a configuration in nothing but more ``epochs``, or
        in nothing.
        """
        if self._longest is None:
            self._longest = {}
            for known in self.trials:
                self.note_length(known)
        number = self._longest.get(but_for_epochs(config, seed))
        return None if number is None else self.trials[number]
