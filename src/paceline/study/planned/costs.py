"""Predicts the cost of a trial, so that of two similar proposals the cheaper one is selected.

| symbol | meaning |
| --- | --- |
| w | work of a training: its steps, times its parameters and a step's own cost |
"""

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass

from paceline.core import Configuration, Trial
from paceline.core.events import ProgramCompiled
from paceline.study.planned.protocol import Plan

# In numbers learnt, and in those times steps: what a step costs beside its network, and what
# compiling a program costs. A core of a CPU does about 2.5e8 of them in a second, and compiles a
# network of a few layers in four. They only have to be right to a factor of a few: the cost decides
# between proposals that are nearly equal.
STEP, COMPILING = 5_000, 1e9
_ROWS, _BATCH = 10_000, 32  # where they are not recorded
# Sizes of networks with as many programs before they are taken to be compiled separately: merged
# ones of a few sizes may have several programs, too.
_SEPARATE = 4


@dataclass(frozen=True, slots=True)
class Costs:
    """Predicts what a full training costs, compilation included.

    In an ordered study the cost follows from counts alone, since decisions must depend neither on
    the clock nor on which networks share a program. Otherwise it is in measured seconds.

    Networks that differ only in sizes are expected to share a program: another width costs no
    compilation, and as much as the widest, since it is padded. In a study that is not ordered,
    sizes of which each is compiled count as structures of their own: from the first trial with
    ``merge=False``, else once a few sizes of a structure show it.

    Attributes:
        plan: that of the study.
        separate: structures whose sizes are compiled separately; empty in an ordered study.
        asked: structures of all trials: their programs are compiled, or will be.
        sizes: parameters of the largest network seen so far, by structure.
        seconds: seconds of an epoch as measured, by structure; empty in an ordered study.
        compiling: cost of a new program, in the same unit.
        left: seconds that the search has left; None if time is not limited, or must not affect
            decisions.
    """

    plan: Plan
    separate: Set[object]
    asked: Set[object]
    sizes: Mapping[object, float]
    seconds: Mapping[object, float]
    compiling: float
    left: float | None = None

    @classmethod
    def of(
        cls,
        trials: Sequence[Trial],
        compilations: Sequence[ProgramCompiled],
        plan: Plan,
        left: float | None,
    ) -> "Costs | None":
        """Costs learned from these trials; None without data, or where there is only one
        program.
        """
        if not any(trial.parameters is not None and trial.measurements for trial in trials):
            return None
        sizes: dict[object, float] = {}
        seconds: dict[object, list[float]] = {}
        separate = set() if plan.settings.search.ordered else _separate(trials, plan)
        structures = [_structure(trial.config, plan, separate) for trial in trials]
        asked = set(structures)
        for trial, structure in zip(trials, structures, strict=True):
            if trial.parameters is None or not trial.measurements:
                continue
            sizes[structure] = max(sizes.get(structure, 0.0), float(trial.parameters))
            seconds.setdefault(structure, []).append(trial.seconds / len(trial.measurements))
        if plan.settings.search.ordered:
            return cls(plan, separate, asked, sizes, {}, COMPILING)
        compiling = (
            statistics.fmean(event.seconds for event in compilations) if compilations else 0.0
        )
        return cls(
            plan,
            separate,
            asked,
            sizes,
            {s: statistics.median(found) for s, found in seconds.items()},
            compiling,
            left,
        )

    def __call__(self, config: Configuration) -> float:
        """The cost of a configuration, above 0; inf for a new program that cannot pay off in
        time.
        """
        structure = _structure(config, self.plan, self.separate)
        new = 0.0 if structure in self.asked else self.compiling
        epochs = self.plan.epochs(config)
        if self.seconds:
            usual = statistics.fmean(self.seconds.values())
            seconds = epochs * self.seconds.get(structure, usual) + new
            repaid = not new or self.left is None or seconds <= self.left
            return max(seconds, 1e-9) if repaid else math.inf
        rows = self.plan.created.data.get("rows", {}).get("train", _ROWS)
        steps = epochs * float(rows) / float(config.get("batch_size", _BATCH))
        size = self.sizes.get(structure, statistics.fmean(self.sizes.values()))
        return steps * (size + STEP) + new


def _structure(config: Configuration, plan: Plan, separate: Set[object]) -> Hashable:
    """The structure of a configuration, with its sizes if these are compiled separately."""
    structure = plan.structure(config)
    return (structure, _sizes(config)) if structure in separate else structure


def _separate(trials: Sequence[Trial], plan: Plan) -> set[object]:
    """The structures of which each size has a program of its own."""
    programs: dict[object, dict[object, set[str]]] = {}
    for trial in trials:
        if trial.program is not None and trial.measurements:
            of_sizes = programs.setdefault(plan.structure(trial.config), {})
            of_sizes.setdefault(_sizes(trial.config), set()).add(trial.program)
    fewest = _SEPARATE if plan.settings.execution.merge else 1
    return {
        structure
        for structure, found in programs.items()
        if fewest <= len(found) <= len(set().union(*found.values()))
    }


def _sizes(config: Configuration) -> tuple[tuple[str, int], ...]:
    """The whole numbers of a configuration, of which sizes are some."""
    return tuple((name, value) for name, value in sorted(config.items()) if type(value) is int)
