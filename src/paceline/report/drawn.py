"""Which trials of a large study a page shows: all of few, else the best and a fixed choice of the
others.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

_SHARE_BEST = 10  # of the trials shown, one in so many is there because it is among the best
_GOLDEN, _BITS = 2_654_435_769, 32  # 2**32 divided by the golden ratio


@dataclass(frozen=True, slots=True)
class Drawn:
    """The trials that are shown.

    Attributes:
        numbers: of these trials, in the order in which they were given.
        total: how many there were to choose from.
        num_best: how many were taken because they are the best.
        every: of the others, one in so many was taken; 1 where all are there.
    """

    numbers: tuple[int, ...]
    total: int
    num_best: int
    every: int

    def remark(self, what: str, done: str = "drawn") -> str:
        """That these are not all, as a sentence with a space before it; empty where they are.

        Args:
            what: the trials that there were to choose from: ``"completed trials"``.
            done: what is done with them here.
        """
        if self.every == 1:
            return ""
        shown = f"{len(self.numbers):,} are {done}: the {self.num_best:,} best, and of the others about one in"
        return f" Of {self.total:,} {what} {shown} {self.every:,}."


def drawn(numbers: Sequence[int], ranked: Sequence[int], most: int) -> Drawn:
    """A choice of trials that does not depend on how they did, but for the best, which are always
    in it.

    A trial stays in it while the study grows, until the others have to become half as many: so a
    live page changes little. Neither does it follow any period, such as that of a schedule's
    brackets: multiples of the golden ratio are spread evenly over the unit interval (Weyl), and
    those that fall into its beginning are taken.

    Args:
        numbers: of the trials to choose from.
        ranked: of those that have a score, the best first.
        most: how many may be shown.
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
