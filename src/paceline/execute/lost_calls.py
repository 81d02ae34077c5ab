"""Trials that are called again, since their worker was lost or given to another trial."""

from collections.abc import Collection

from paceline.execute.worker_slot import WorkerSlot

_MAX_CALLS = 3  # of a trial whose worker ends each time, perhaps with its machine


class LostCalls:
    """Decides which trials are called again, and what they repeat.

    If all workers of a pool end at once, it is not known whose call was the reason. Each is called
    once more, alone. If the pool ends again, the trial has failed. So whether a
    trial fails depends on its own call only, and not on what ran at the same time.
    """

    def __init__(self) -> None:
        """No trial is lost yet."""
        self._calls: dict[int, int] = {}
        self._alone: set[int] = set()
        self._reported: dict[int, tuple[int, float]] = {}

    def add(self, slot: WorkerSlot) -> bool:
        """Notes that the worker of a trial was lost; returns whether to call the trial again."""
        if slot.job is None:
            return False
        self.note(slot)
        trial, loss = slot.job.trial, slot.worker.loss
        if loss == "returned":
            return True
        was_alone = trial in self._alone
        if loss == "pool":
            self._alone.add(trial)
        self._calls[trial] = self._calls.get(trial, 0) + 1
        return loss != "own" and not was_alone and self._calls[trial] < _MAX_CALLS

    def note(self, slot: WorkerSlot) -> None:
        """Notes what the trial of a worker has reported: it will be called from its beginning."""
        if slot.job is not None:
            trial = slot.job.trial
            self._reported[trial] = max(slot.reported, self.reported(trial))

    def reported(self, trial: int) -> tuple[int, float]:
        """The last step that was reported by earlier calls, and the seconds up to it."""
        return self._reported.get(trial, (0, 0.0))

    def is_again(self, trial: int) -> bool:
        """Whether the trial was called before."""
        return trial in self._reported

    def may_start(self, trial: int, running: Collection[int]) -> bool:
        """Whether a trial may be called while others run."""
        return not running or (trial not in self._alone and self._alone.isdisjoint(running))
