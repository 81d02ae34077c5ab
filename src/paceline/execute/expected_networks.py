"""How many networks of a study are expected to share a program."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from paceline.core import Configuration
from paceline.execute.grouping import ProgramHint
from paceline.space import Space

_NUM_SAMPLES = 256


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
        share = self._counts[self.hint(config)] / _NUM_SAMPLES
        return max(1, round(self.num_configs * share)) * self.num_repeats

    @cached_property
    def _counts(self) -> Counter[object]:
        """How often each value of the hint occurs among random configurations."""
        rng = np.random.default_rng(0)
        return Counter(self.hint(self.space.sample(rng)) for _ in range(_NUM_SAMPLES))
