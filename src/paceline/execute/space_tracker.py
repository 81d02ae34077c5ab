"""What function objectives show of the space while they are called."""

from collections.abc import Collection, Sequence

from paceline.core import StudyMismatch
from paceline.core.events import Event, SpaceChanged, SpaceReplaced
from paceline.space import Hyperparameter, Learner, Observation, Space


class SpaceTracker:
    """What the functions have shown of the space, conditions in plain Python included.

    Trials are taken in the order of their numbers, whichever reports first: what is known must not
    depend on the clock.
    """

    def __init__(self, space: Space, may_change: bool = False, given: Collection[str] = ()) -> None:
        """Begins with what earlier sessions knew.

        Args:
            space: as it is known.
            may_change: whether functions may ask for something else than in earlier sessions, or
                leave something out.
            given: names that the user has given; whatever functions ask for, they stay.
        """
        self._learner, self._may_change, self._given = Learner(space), may_change, given
        self._unconfirmed = {
            (h.name, h.definition_id) for h in space
        }  # no function has asked for it in this session
        self._asked: set[tuple[str, str]] = set()  # what functions have asked for in this session
        self._silent: set[int] = set()
        self._told: dict[int, tuple[list[Hyperparameter], Observation, bool]] = {}

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

    def take(
        self,
        trial: int,
        met: Sequence[Hyperparameter],
        observation: Observation,
        is_whole: bool = False,
    ) -> list[Event]:
        """What a trial met that was new, and all that it has asked for so far; the changes of the
        space.

        Args:
            trial: its number.
            met: what was new to it.
            observation: all that it has asked for.
            is_whole: whether its function has come to its end.

        Raises:
            InvalidInput: a name is asked for with several definitions which nothing tells apart.
            StudyMismatch: a name is asked for with another definition than in earlier sessions.
        """
        self._silent.discard(trial)
        earlier = self._told[trial][0] if trial in self._told else []
        self._told[trial] = ([*earlier, *met], observation, is_whole)
        events: list[Event] = []
        while self._told and (first := min(self._told)) < min(self._silent, default=first + 1):
            new, seen, ended = self._told.pop(first)
            # what is asked for as never before belongs to a changed function, if the user says that
            # it may have changed
            is_first = any((h.name, h.definition_id) not in self._asked for h in new)
            self._asked |= set(seen.asked.items())
            instead = self._changed(new, seen, ended)
            for known, h in instead:
                self._learner.replace(known, h)
            grown = self._learner.learn(
                first, [h for h in new if h not in [one for _, one in instead]], seen
            )
            if instead or (grown and is_first and self._may_change):
                events.append(SpaceReplaced(self.space.to_json(), first))
            elif grown:
                events.append(SpaceChanged(self.space.to_json(), first))
        return events

    def _changed(
        self, met: Sequence[Hyperparameter], observation: Observation, ended: bool
    ) -> list[tuple[Hyperparameter, Hyperparameter | None]]:
        """What earlier sessions knew and a trial contradicts, with what it asks for in its place,
        None for nothing.

        Raises:
            StudyMismatch: it asks for something in its place, and the space may not change.
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
                    expected=f"{known}, as the study has it",
                    fix="To go on in the space of now, pass change_space=True to tune or resume "
                    "(on the terminal "
                    "--change-space). Use another directory, or what the study was made with.",
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
