"""How many networks of a study are expected to share a program."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from paceline.core import Configuration
from paceline.execute.grouping import ProgramHint
from paceline.space import Space

_NUM_SAMPLES = 256
_WIDTH = 6.0  # standard deviations beyond which a number does not occur


@dataclass(eq=False)
class ExpectedNetworks:
    """Expected numbers of networks, from the search space and the number of trials.

    They do not depend on which configurations are drawn, so that studies of the same space choose
    the same numbers of lanes.

    Attributes:
        space: the search space.
        hint: expects which configurations share a program.
        num_configs: configurations to train; None if that is not known.
        num_repeats: networks of each configuration.
    """

    space: Space
    hint: ProgramHint
    num_configs: int | None = None
    num_repeats: int = 1

    def sharing(self, config: Configuration, num_waiting: int) -> int:
        """How many networks are expected to share the program of a configuration.

        Args:
            config: the configuration.
            num_waiting: networks that wait for it now, if nothing else is known.
        """
        if self.num_configs is None:
            return num_waiting
        return max(1, round(self.num_configs * self._share(config))) * self.num_repeats

    def numbers(self, config: Configuration, num_waiting: int) -> Mapping[int, float]:
        """How likely each number of networks is that share the program of a configuration.

        Binomial, as if configurations were drawn at random, given that there is one.

        Args:
            config: the configuration.
            num_waiting: networks that wait for it now, if nothing else is known.
        """
        if self.num_configs is None:
            return {num_waiting: 1.0}
        count, share = self.num_configs, self._share(config)
        if not 0.0 < share < 1.0:
            return {max(1, round(count * share)) * self.num_repeats: 1.0}
        mean, width = count * share, _WIDTH * math.sqrt(count * share * (1 - share))
        likely = range(max(1, int(mean - width)), min(count, math.ceil(mean + width)) + 1)
        odds = {k * self.num_repeats: _binomial(count, share, k) for k in likely}
        total = sum(odds.values())
        return {number: probability / total for number, probability in odds.items()}

    def _share(self, config: Configuration) -> float:
        """The share of configurations that have the program of this one."""
        return self._counts[self.hint(config)] / _NUM_SAMPLES

    @cached_property
    def _counts(self) -> Counter[object]:
        """How often each value of the hint occurs among random configurations."""
        rng = np.random.default_rng(0)
        return Counter(self.hint(self.space.sample(rng)) for _ in range(_NUM_SAMPLES))


def _binomial(count: int, share: float, k: int) -> float:
    """The probability of ``k`` of ``count`` draws."""
    ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
    return math.exp(ways + k * math.log(share) + (count - k) * math.log1p(-share))
