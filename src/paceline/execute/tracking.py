"""What function objectives show of the space while they are called."""

from collections.abc import Sequence

from paceline.core import StudyMismatch
from paceline.core.events import Event, SpaceChanged
from paceline.space import Hyperparameter, Learner, Observation, Space


class SpaceTracker:
    """What the functions have shown of the space, conditions in plain Python included.

    Trials are taken in the order of their numbers, whichever reports first: what is known must not depend on the clock.
    """

    def __init__(self, space: Space) -> None:
        self._learner = Learner(space)
        self._unconfirmed = {(h.name, h.definition_id) for h in space}  # no function has asked for it in this session
        self._silent: set[int] = set()
        self._told: dict[int, tuple[list[Hyperparameter], Observation]] = {}

    @property
    def space(self) -> Space:
        """What may vary."""
        return self._learner.space

    @property
    def declared(self) -> Sequence[Hyperparameter]:
        """What functions have asked for, with the conditions that they declare."""
        return self._learner.declared

    def expect(self, trial: int) -> None:
        """A trial will report; later ones wait for it."""
        self._silent.add(trial)

    def take(self, trial: int, met: Sequence[Hyperparameter], observation: Observation) -> list[Event]:
        """What a trial met that was new, and all that it has asked for so far; the changes of the space.

        Raises:
            InvalidInput: a name is asked for with several definitions which nothing tells apart.
            StudyMismatch: a name is asked for with another definition than in earlier sessions.
        """
        self._silent.discard(trial)
        earlier = self._told[trial][0] if trial in self._told else []
        self._told[trial] = ([*earlier, *met], observation)
        events: list[Event] = []
        while self._told and (first := min(self._told)) < min(self._silent, default=first + 1):
            new, seen = self._told.pop(first)
            self._check_same(new, seen)
            if self._learner.learn(first, new, seen):
                events.append(SpaceChanged(self.space.to_json(), first))
        return events

    def _check_same(self, met: Sequence[Hyperparameter], observation: Observation) -> None:
        """Makes sure that what is new does not stand in the place of what earlier sessions knew."""
        self._unconfirmed -= set(observation.asked.items())
        for h in met:
            for known in self.space.variants(h.name):
                is_open = (known.name, known.definition_id) in self._unconfirmed
                if is_open and h.definition != known.definition and self.space.may_be_active(known, observation.config):
                    raise StudyMismatch(
                        f"the function asks for {h}", expected=f"{known}, as the study has it",
                        fix="Use another directory, or what the study was made with.",
                    )  # fmt: skip
