"""The search space of a study, to which builds in several engines add."""

from paceline.core.events import Event, SpaceChanged
from paceline.execute.found_in_build import FoundInBuild, learner_of
from paceline.space import Discovery, Learner, Space


class SharedSpace:
    """Adds what builds have shown in the order of trials, whichever engine is faster.

    What a trial has shown waits until all trials before it have been built. So the space after each
    trial does not depend on the number of engines.
    """

    def __init__(self, space: Space, discovery: Discovery | None) -> None:
        """Starts from what is known.

        Args:
            space: the space.
            discovery: how it was found.
        """
        self._space, self._discovery = space, discovery
        self._learner: Learner | None = None
        self._unbuilt: set[int] = set()
        self._waiting: dict[int, FoundInBuild] = {}
        self.learned: list[FoundInBuild] = []

    def expect(self, trial: int) -> None:
        """Announces a trial that will be built."""
        self._unbuilt.add(trial)

    def built(self, trial: int) -> None:
        """Notes that a trial was built, or will not be."""
        self._unbuilt.discard(trial)

    def take(self, learned: FoundInBuild) -> None:
        """Adds what a build has shown, once it is its turn; see `changes`."""
        self._waiting[learned.trial] = learned

    def changes(self) -> list[Event]:
        """The changes of the space whose turn it is."""
        events: list[Event] = []
        while self._waiting:
            first = min(self._waiting)
            if any(trial < first for trial in self._unbuilt):
                break
            events += self._add(self._waiting.pop(first))
        return events

    def _add(self, learned: FoundInBuild) -> list[Event]:
        """The change of the space by a build; none if another trial has shown the same before."""
        known = self._space.hyperparameters
        new = tuple(h for h in learned.new if h not in known)
        if not new:
            return []
        if self._learner is None:
            self._learner = learner_of(self._space, self._discovery)
        one = FoundInBuild(learned.trial, new, learned.observation)
        self._learner.learn(one.trial, one.new, one.observation)
        self.learned.append(one)
        before, self._space = self._space, self._learner.space
        changed = self._space != before
        return [SpaceChanged(self._space.to_json(), one.trial)] if changed else []
