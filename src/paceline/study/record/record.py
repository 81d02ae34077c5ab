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
"""Reason of the end of a session whose last events could not be read."""


@dataclass(eq=False)
class Record(RecordState):
    """The record of a study, made by applying its events in order; see `RecordState`."""

    @property
    def notes_of_final(self) -> list[str]:
        """The notes about the result of the final, or why there is none."""
        return self.outcome_status.notes

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Record":
        """Builds the record from events."""
        record = cls()
        for event in events:
            record.apply(event)
        return record

    @property
    def settings(self) -> Settings:
        """The current settings: those of the first event with its changes."""
        if self._settings is None:
            goal = None if self.created is None else self.objective
            self._settings = Settings.from_json(self._stored_settings, goal)
        return self._settings

    def copied(self, **fields: Any) -> "Record":
        """A copy with these fields, which keeps the values cached for this record."""
        copy = replace(self, **fields)
        copy._remembered = dict(self._remembered)
        return copy

    def cached(self, name: str, key: Any, compute: Callable[[], T]) -> T:
        """A value computed from this record, cached by name until its key changes."""
        known = self._remembered.get(name)
        if known is None or known[0] != key:
            known = self._remembered[name] = (key, compute())
        return known[1]

    @property
    def best(self) -> Trial | None:
        """The winner of the final, else the best trial of the search; None if there is none."""
        if self.final is not None and self.final.winner is not None:
            return self.trial(self.final.winner)
        return self.best_of_search

    @property
    def best_of_search(self) -> Trial | None:
        """The trial with the best search score, the first of equals; None if there is none.

        Its score is optimistically biased, since the trial was selected by it.
        """
        return None if self._best is None else self.trial(self._best)

    @property
    def default(self) -> Trial | None:
        """The trial of the default configuration, whatever its state; None if there is none that
        works.
        """
        values = self.space.complete({})
        key = self.space.key(values)
        for number, trial in self.trials.items():
            # compare values first: computing the key of each of many trials would take seconds
            alike = all(trial.config.get(name, value) == value for name, value in values.items())
            works = number not in self.moved and trial.state is not TrialState.FAILED
            if alike and works and self.space.key(trial.config) == key:
                return trial
        return None

    @property
    def final_is_current(self) -> bool:
        """Whether a final has chosen its winner, and no trial was added since."""
        return (
            self.final is not None
            and self.final.winner is not None
            and not self.outcome_status.has_newer_trials
        )

    @property
    def outcome(self) -> str:
        """Number of trials and the best score, in a few words."""
        best = self.best
        score = "no score yet" if best is None else f"best {self.objective.metric} {best.score:.6g}"
        return f"{len(self.trials)} trials, {score}"

    @property
    def programs_compiled(self) -> int:
        """How many of `compilations` were compiled from scratch, not taken from a cache."""
        return sum(event.from_scratch > 0 for event in self.compilations)

    def trial(self, number: int) -> Trial:
        """A trial with its measurements.

        A trial measured as part of a longer one has the measurements of that trial.
        """
        trial = self.trials[number]
        if trial.prefix_of is None:
            return trial
        return replace(
            trial, measurements=self.trials[trial.prefix_of].measurements[: trial.epochs]
        )

    def all_trials(self) -> list[Trial]:
        """All trials with their measurements, in order."""
        return [self.trial(number) for number in self.trials]

    @property
    def found_space(self) -> Space:
        """The space as given or found in the last call, without what trials have added."""
        asked_for = [one.space for one in self.spaces if one.trial is None]
        return Space.from_json(asked_for[-1]) if asked_for else Space()

    def members(self) -> list[Trial]:
        """The trials of the current space: these can be the best, and are not run again."""
        return [self.trial(number) for number in self.trials if number not in self.moved]

    def observed(self) -> list[Trial]:
        """The trials that inform about the current space, with their configuration there."""
        return [trial for number in self.trials if (trial := self.observation(number)) is not None]

    def observation(self, number: int) -> Trial | None:
        """A trial with its configuration in the current space; None if it lies outside."""
        if number not in self.moved:
            return self.trial(number)
        config = self.moved[number]
        return None if config is None else replace(self.trial(number), config=config)

    def num_measured(self, number: int) -> int:
        """Measured epochs of a trial that was trained itself."""
        return len(self.trials[number].measurements)

    @property
    def num_by_state(self) -> dict[TrialState, int]:
        """Number of trials in each state that occurs."""
        return {state: self._counts[state] for state in TrialState if self._counts[state]}

    def num_ended(self, *states: TrialState) -> int:
        """Number of trials in one of these states; in any final state when none is given."""
        return sum(
            self._counts[state] for state in states or TrialState if states or state.is_final
        )

    def longest(self, config: Configuration, seed: int) -> Trial | None:
        """The completed trial with this configuration and seed, or with more ``epochs`` only."""
        if self._longest is None:
            self._longest = {}
            for known in self.trials:
                self.note_length(known)
        number = self._longest.get(but_for_epochs(config, seed))
        return None if number is None else self.trials[number]
