"""The trials of a large study that a page shows: the best, and a fixed sample of the others."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

_SHARE_BEST = 10  # one in so many of the trials shown is one of the best
_GOLDEN, _BITS = 2_654_435_769, 32  # 2**32 divided by the golden ratio


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample of trials.

    Attributes:
        numbers: of these trials, in the given order.
        total: number of all trials.
        num_best: number of those that are there because they are the best.
        every: one in so many of the others is there; 1 if all are.
    """

    numbers: tuple[int, ...]
    total: int
    num_best: int
    every: int

    def remark(self, what: str, done: str = "drawn") -> str:
        """A sentence, after a space, that these are not all; empty if they are.

        Args:
            what: all of the trials, in words: ``"completed trials"``.
            done: how they are shown.
        """
        if self.every == 1:
            return ""
        shown = f"{len(self.numbers):,} are {done}: the {self.num_best:,} best, and one in"
        return f" Of {self.total:,} {what} {shown} {self.every:,} of the others."


def drawn(numbers: Sequence[int], ranked: Sequence[int], most: int) -> Drawn:
    """Samples trials: the best, and others independent of their scores.

    A trial stays in the sample while the study grows, until the others are halved: so a live page
    changes little. The sample follows no period, such as that of a schedule's brackets: multiples
    of the golden ratio are spread evenly over the unit interval (Weyl), and those at its beginning
    are taken.

    Args:
        numbers: of the trials to choose from.
        ranked: numbers of those with a score, the best first.
        most: greatest size of the sample.
    """
    if len(numbers) <= most:
        return Drawn(tuple(numbers), len(numbers), 0, 1)
    known = set(numbers)
    best = set([number for number in ranked if number in known][: most // _SHARE_BEST])
    every, others = 1, [number for number in numbers if number not in best]
    while len(others) > most - len(best):
        every *= 2
        others = [number for number in others if _place(number) < (1 << _BITS) // every]
    return Drawn(_in_order(numbers, best.union(others)), len(numbers), len(best), every)


def _place(number: int) -> int:
    return number * _GOLDEN % (1 << _BITS)


def _in_order(numbers: Sequence[int], chosen: Collection[int]) -> tuple[int, ...]:
    return tuple(number for number in numbers if number in chosen)
