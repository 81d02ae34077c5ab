"""Networks that are prepared together, since they are expected to share a program."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from paceline.execute.base import Job
from paceline.execute.grouping import ProgramHint, group_by_hint
from paceline.execute.pending_network import PendingNetwork


@dataclass(eq=False)
class Block:
    """Networks that are expected to share a program.

    Attributes:
        groups: jobs that share a training and are not built yet.
        size: number of groups, including those already prepared, and those in other engines.
        ready: networks that wait to be launched, by program.
    """

    groups: deque[list[Job]]
    size: int
    ready: dict[str, list[PendingNetwork]] = field(default_factory=dict)

    @property
    def num_waiting(self) -> int:
        """Jobs whose model has not been built."""
        return sum(map(len, self.groups))


def blocks_of(groups: Sequence[list[Job]], hint: ProgramHint) -> list[Block]:
    """Divides groups of jobs that share a training into blocks."""
    blocks = []
    for part in group_by_hint(groups, hint):
        elsewhere = [job.together for group in part for job in group]
        blocks.append(Block(deque(part), max([len(part), *elsewhere])))
    return blocks
