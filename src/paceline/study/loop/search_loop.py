"""The search loop: proposes trials, and continues, pauses or stops them as decided."""

from collections.abc import Sequence
from typing import Any

from paceline.core import Action, Decision, TrialState, reading_state
from paceline.core.events import Event, Noted, TrialAsked, TrialDecided, TrialEnded, TrialPaused
from paceline.execute.base import Executor
from paceline.schedule import Full
from paceline.search import Strategy
from paceline.study.loop.arrival_queue import ArrivalQueue
from paceline.study.loop.known import KnownStandings
from paceline.study.loop.proposer import Proposer
from paceline.study.loop.submission import Submission
from paceline.study.planned.kept import kept_score
from paceline.study.planned.protocol import Plan
from paceline.study.planned.retraining import SecondsLeft
from paceline.study.record.parts import Read
from paceline.study.record.recorder import Recorder


class Search:
    """Proposes and submits trials, processes their results, carries out the schedule's decisions.

    Every decision is a function of the record and of the arrival queue, which are stored together:
    a session that resumes decides as the earlier one would have.
    """

    def __init__(
        self,
        plan: Plan,
        recorder: Recorder,
        executor: Executor,
        seconds_left: SecondsLeft,
        value: Read,
    ) -> None:
        """``value`` returns the stored states by name; None in a new study."""
        self._plan, self._recorder, self._executor = plan, recorder, executor
        self._record, self._schedule = recorder.record, plan.schedule
        strategy = _strategy(plan, value)
        # If the strategy does not learn and no trial is stopped, the order of results is
        # irrelevant.
        self._tracks_results = (
            strategy.learns or not isinstance(self._schedule, Full) or plan.is_define_by_run
        )
        with reading_state("turns"):
            self._queue = ArrivalQueue(
                bool(plan.settings.search.ordered) and self._tracks_results,
                value if self._tracks_results else None,
            )
        self._proposer = Proposer(
            plan, self._record, self._queue, strategy, self._tracks_results, seconds_left
        )
        self._standings = KnownStandings(plan, self._record, self._queue)
        submission = Submission(plan, recorder, executor, self._queue, self._standings)
        self._submit = submission.submit
        self._moved = self._record.moved

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to train."""
        return self._executor.is_idle and not self._queue

    @property
    def exhausted(self) -> str:
        """Why there is nothing more to propose; empty if there is."""
        return self._proposer.exhausted

    @property
    def has_result(self) -> bool:
        """Whether any trial has been measured far enough to be the best."""
        if not self._tracks_results:
            return self._record.num_ended() > 0
        return self._record.best is not None or self._standings.has_measurement

    def size(self) -> int | None:
        """Number of configurations that the strategy can propose in total; None if unlimited."""
        return self._proposer.size()

    def resume(self) -> None:
        """Continues with the open trials of an earlier session."""
        if not self._tracks_results:
            self._submit(
                [n for n, trial in self._record.trials.items() if not trial.state.is_final]
            )
            return
        self._standings.reset()
        open_trials = []
        with reading_state("turns"):
            in_flight = [(number, self._record.trials[number]) for number in self._queue.in_flight]
        for number, trial in in_flight:
            measured = self._record.num_measured(number)
            if trial.state.is_final or measured >= self._standings.next_decision(number):
                # an earlier schedule had not planned a decision here
                if trial.state is TrialState.RUNNING:
                    self._recorder.tell(
                        [TrialPaused(number, "it waits for the schedule's decision")]
                    )
                self._queue.arrive(number)
            else:
                open_trials.append(number)
        # Under an earlier schedule or search, these waited for a decision or were not tracked.
        for number, trial in self._record.trials.items():
            waits = trial.state is TrialState.PAUSED and self._schedule.pauses
            if not (trial.state.is_final or waits or number in self._queue):
                self._standings.enter_queue(number)
                open_trials.append(number)
        self._submit(open_trials)

    def arrived(self, numbers: Sequence[int]) -> None:
        """Adds trials that have reached a decision, or their end, to the arrival queue."""
        for number in numbers:
            self._queue.arrive(number)

    def advance(self) -> None:
        """Processes results one at a time, carries out the decisions, and proposes more trials."""
        self._propose()
        while (number := self._queue.take()) is not None:
            if self._tracks_results:
                self._process(number)
            self._propose()
        if self._tracks_results and not self._queue:
            while self._review(more_to_come=False):
                pass

    # -- proposals

    def _propose(self) -> None:
        """Proposes and submits as many trials as are wanted now."""
        wanted = self._proposer.num_wanted(self._executor.num_waiting)
        if wanted <= 0:
            return
        self._follow_space()
        asked = self._proposer.propose(wanted)
        self._record_proposals(asked, self._proposer.new_notes())
        self._submit([event.number for event in asked])

    def _record_proposals(self, asked: Sequence[TrialAsked], notes: Sequence[str]) -> None:
        events: list[Event] = [*asked, *map(Noted, notes)]
        for event in events:
            self._record.apply(event)
        values: dict[str, Any] = {"strategy": self._proposer.strategy.to_json()}
        if self._tracks_results:
            for trial in asked:
                self._standings.enter_queue(trial.number)
                self._standings.put(trial.number)
            values |= self._queue.take_changes()
        self._recorder.store(events, values)

    # -- decisions

    def _process(self, number: int) -> None:
        """Takes over a trial's result, and carries out what the schedule decides with it."""
        self._follow_space()
        if self._record.observation(number) is None:
            return  # it ended when the space was changed
        if self._plan.is_define_by_run and number not in self._record.moved:
            self._proposer.tried.replace(number)
        self._standings.put(number)
        if not self._record.trials[number].state.is_final:
            self._carry_out([self._schedule.decide(self._standings.all, number)])
        more = bool(self._queue) or self._proposer.num_left > 0
        while more and self._review(more_to_come=True):
            pass

    def _review(self, more_to_come: bool) -> bool:
        """Carries out decisions about trials that wait for others; False if there are none."""
        return self._carry_out(self._schedule.review(self._standings.all, more_to_come))

    def _carry_out(self, decisions: Sequence[Decision]) -> bool:
        """Records decisions and carries them out; False if there are none."""
        events: list[Event] = []
        continuing: list[int] = []
        for decision in decisions:
            number = decision.trial
            epoch = self._standings.all[number].epoch
            events.append(TrialDecided(number, epoch, decision.action, decision.reason))
            if decision.action is Action.STOP:
                events.append(self._stopped(number, decision.reason))
            elif decision.action is Action.CONTINUE:
                continuing.append(number)
                self._standings.enter_queue(number)
        if events:
            self._recorder.tell(events, self._queue.take_changes())
            for decision in decisions:
                self._standings.put(decision.trial)
            self._executor.forget([d.trial for d in decisions if d.action is Action.STOP])
            self._submit(continuing)
        return bool(events)

    def _stopped(self, number: int, reason: str) -> TrialEnded:
        measured = self._record.trial(number).measurements
        return TrialEnded(number, TrialState.STOPPED, *kept_score(self._plan, measured), reason)

    def _follow_space(self) -> None:
        """Takes over a changed space that a function has shown, where the user allows it."""
        if self._moved is not self._record.moved:
            self._moved = self._record.moved
            self._proposer.tried.reset()
            self._standings.reset()


def _strategy(plan: Plan, value: Read) -> Strategy:
    """The strategy, in its stored state if there is one."""
    state = value("strategy")
    with reading_state("strategy"):
        return plan.strategy if state is None else plan.strategy.resumed(state)
