"""Proposes configurations: asks the search strategy with what the search knows."""

import math
from collections.abc import Sequence

from paceline.core.events import TrialAsked
from paceline.search import History, Proposal, Strategy
from paceline.search.strategy import DEFAULT
from paceline.study.loop.arrival_queue import ArrivalQueue
from paceline.study.loop.known import KnownSpace, KnownTrials
from paceline.study.loop.proposal_count import count_in_flight, count_without_results
from paceline.study.loop.tried import TriedConfigurations
from paceline.study.planned.costs import Costs
from paceline.study.planned.protocol import Plan
from paceline.study.planned.retraining import SecondsLeft
from paceline.study.record.record import Record


class Proposer:
    """Proposes new trials until the budget or the space is exhausted.

    Attributes:
        strategy: the strategy, in its state after the last proposals.
        tried: the configurations of all trials.
        exhausted: why there is nothing more to propose; empty if there is.
    """

    def __init__(
        self,
        plan: Plan,
        record: Record,
        queue: ArrivalQueue,
        strategy: Strategy,
        tracks_results: bool,
        seconds_left: SecondsLeft,
    ) -> None:
        """``tracks_results`` tells whether results affect proposals or decisions."""
        self._plan, self._record, self._queue = plan, record, queue
        self._tracks_results, self._seconds_left = tracks_results, seconds_left
        self._known_space, self._known_trials = KnownSpace(record, queue), KnownTrials(queue)
        self.strategy, self.tried = strategy, TriedConfigurations(record)
        self.exhausted = ""

    def size(self) -> int | None:
        """Number of configurations that the strategy can propose in total; None if unlimited."""
        space = self._record.space
        return self.strategy.size(space) if len(space) else None

    @property
    def num_left(self) -> float:
        """Number of trials that may still be proposed."""
        if self.exhausted:
            return 0
        limit = self._plan.budget.trials
        return math.inf if limit is None else limit - len(self._record.trials)

    def num_wanted(self, num_waiting: int) -> int:
        """Number of trials to propose now, while so many wait for being built."""
        if self._tracks_results:
            most = count_in_flight(self._plan, self.strategy.learns, len(self._queue))
        else:
            most = 0 if num_waiting else count_without_results(self._plan)
        return int(min(self.num_left, most))

    def propose(self, wanted: int) -> list[TrialAsked]:
        """Proposes up to ``wanted`` trials; fewer if nothing more can be proposed now."""
        self.strategy, proposals = self._ask(wanted)
        asked = []
        for number, proposal in enumerate(proposals, len(self._record.trials)):
            self.tried.add(number, proposal.key)
            config, seed = proposal.config, self._plan.settings.search.seed
            epochs = self._plan.epochs(config)
            asked.append(TrialAsked(number, config, seed, epochs, proposal.origin))
        return asked

    def new_notes(self) -> list[str]:
        """Sentences about the last proposals that were not recorded before."""
        notes = (self.strategy.remark, self.exhausted)
        return [note for note in notes if note and note not in self._record.notes]

    def _ask(self, wanted: int) -> tuple[Strategy, Sequence[Proposal]]:
        """Returns up to ``wanted`` proposals and the next state of the strategy."""
        space = self._known_space.now() if self._tracks_results else self._record.space
        history, is_growing = self._history(), self._plan.is_define_by_run
        if is_growing and not len(space):
            if not self._record.trials:  # a trial of the defaults shows the space
                return self.strategy, (Proposal({}, DEFAULT, space.key({})),)
            self.exhausted = "" if self._queue else "the function asked for no hyperparameter"
            return self.strategy, ()
        strategy, proposals = self.strategy.ask(space, history, wanted)
        # trials in flight may add hyperparameters to a growing space
        may_grow = is_growing and (proposals or self._queue)
        if len(proposals) < wanted and not may_grow:
            self.exhausted = strategy.exhausted(space, history) or "the search space is exhausted"
        return strategy, proposals

    def _history(self) -> History:
        """The information for the strategy: the results processed so far."""
        if not self.strategy.learns:
            return History(self.tried.keys)
        trials = self._known_trials.of(self._record.observed())
        cost = Costs.of(trials, self._record.compilations, self._plan, self._seconds_left())
        return History(self.tried.keys, trials, self._plan.objective, cost, self._plan.structure)
