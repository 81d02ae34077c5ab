"""Learns the search space from function objectives while they are called."""

from collections.abc import Collection, Sequence

from paceline.core import StudyMismatch
from paceline.core.events import Event, SpaceChanged, SpaceReplaced
from paceline.space import Hyperparameter, Learner, Observation, Space


class SpaceTracker:
    """The space as seen in calls of the function, including conditions in plain Python.

    Trials are processed in the order of their numbers, whichever reports first, so that the space
    does not depend on the speed of the machine.
    """

    def __init__(self, space: Space, may_change: bool = False, given: Collection[str] = ()) -> None:
        """Starts from the space of earlier sessions.

        Args:
            space: the space as known so far.
            may_change: whether functions may ask for other hyperparameters than in earlier
                sessions, or for fewer.
            given: names of hyperparameters defined by the user, which are never removed.
        """
        self._learner, self._may_change, self._given = Learner(space), may_change, given
        # hyperparameters that functions have and have not asked for in this session
        self._asked: set[tuple[str, str]] = set()
        self._unconfirmed = {(h.name, h.definition_id) for h in space}
        self._expected: set[int] = set()  # trials without a report so far
        self._reports: dict[int, tuple[list[Hyperparameter], Observation, bool]] = {}

    @property
    def space(self) -> Space:
        """The space as known so far."""
        return self._learner.space

    @property
    def declared(self) -> Sequence[Hyperparameter]:
        """The hyperparameters that functions have asked for, with their declared conditions."""
        return self._learner.declared

    def expect(self, trial: int) -> None:
        """Announces a trial; reports of later ones are processed after its own."""
        self._expected.add(trial)

    def take(
        self,
        trial: int,
        new: Sequence[Hyperparameter],
        observation: Observation,
        is_whole: bool = False,
    ) -> list[Event]:
        """Adds what a trial has asked for; returns the resulting changes of the space.

        Args:
            trial: its number.
            new: hyperparameters that were not in the space.
            observation: everything that it has asked for so far.
            is_whole: whether its function has ended.

        Raises:
            InvalidInput: a name has several definitions that no condition distinguishes.
            StudyMismatch: a name has another definition than in earlier sessions.
        """
        self._expected.discard(trial)
        earlier = self._reports[trial][0] if trial in self._reports else []
        self._reports[trial] = ([*earlier, *new], observation, is_whole)
        events: list[Event] = []
        while self._reports and (first := min(self._reports)) < min(
            self._expected, default=first + 1
        ):
            met, seen, ended = self._reports.pop(first)
            # if the user allows changes, a definition that is new in this session is one
            is_first = any((h.name, h.definition_id) not in self._asked for h in met)
            self._asked |= set(seen.asked.items())
            replaced = self._changed(met, seen, ended)
            for known, h in replaced:
                self._learner.replace(known, h)
            replacements = [h for _, h in replaced]
            grown = self._learner.learn(first, [h for h in met if h not in replacements], seen)
            if replaced or (grown and is_first and self._may_change):
                events.append(SpaceReplaced(self.space.to_json(), first))
            elif grown:
                events.append(SpaceChanged(self.space.to_json(), first))
        return events

    def _changed(
        self, met: Sequence[Hyperparameter], observation: Observation, ended: bool
    ) -> list[tuple[Hyperparameter, Hyperparameter | None]]:
        """Hyperparameters of earlier sessions that a trial contradicts.

        Each comes with the one that the trial asks for in its place; None if it asks for none.

        Raises:
            StudyMismatch: the trial asks for another one, and the space may not change.
        """
        self._unconfirmed -= set(observation.asked.items())
        found: list[tuple[Hyperparameter, Hyperparameter | None]] = []
        for known in self.space:
            is_open = (known.name, known.definition_id) in self._unconfirmed
            if not is_open or not self.space.may_be_active(known, observation.config):
                continue
            h = next(
                (h for h in met if h.name == known.name and h.definition != known.definition), None
            )
            if h is not None and not self._may_change:
                raise StudyMismatch(
                    f"the function asks for {h}",
                    expected=f"{known}, as in the study",
                    fix="To continue with the new space, pass change_space=True to tune or resume "
                    "(on the terminal --change-space). Otherwise use another directory, or the "
                    "function with which the study was made.",
                )
            is_left_out = (
                ended and observation.error is None and known.name not in observation.config
            )
            if h is not None or (
                is_left_out and self._may_change and known.name not in self._given
            ):
                found.append((known, h))
                self._unconfirmed.discard((known.name, known.definition_id))
        return found
