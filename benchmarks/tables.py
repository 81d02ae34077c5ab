"""Six tables: how good is what a search finds, and how soon? Against Optuna's samplers and random
search.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import environments, lookup
from benchmarks.kept import runs
from benchmarks.measure import Options, number
from benchmarks.report import Finding, Result

CHECKPOINTS = (20, 50, 100)
ROUND = 64
SEEDS = 10
"""Seeds of a repeat."""
SLOW_SEEDS = 5
"""Seeds of a slow repeat: a hundred trials of Optuna's GP take most of a minute."""
_RESAMPLES = 2000

METHOD = """Six tables of neural networks ({tables}), one trial at a time unless said otherwise.
What a search observes is one repeat drawn at random; it is judged by the true value, the mean over
the repeats, of the configuration that it observed best. {seeds}. Optuna's samplers have their
defaults (its QMCSampler is scrambled, or all seeds would be one); ordered axes are integers to them
and numbers to us. "random × 2" has twice the trials. Ranks are among all sides, averaged over
tables and seeds (every seed of one side against every seed of the other; ties count half);
intervals are 95 % bootstrap over seeds, tables held fixed. The target is random search's median
after 200 trials."""

Runs = npt.NDArray[np.float64]
"""Losses after each trial, shape [seeds, trials]."""


@dataclass(frozen=True)
class Side:
    """One way to search.

    Attributes:
        name: how the report calls it.
        environment, module: who runs it.
        search: the name that ``module`` knows it by.
        trials: how many a run has.
        batch: how many are asked for at once.
        is_slow: whether it runs ``slow_repeats`` times.
    """

    name: str
    environment: str
    module: str
    search: str
    trials: int = CHECKPOINTS[-1]
    batch: int = 1
    is_slow: bool = False


def _ours(name: str, search: str, **more: Any) -> Side:
    return Side(name, environments.OURS, "benchmarks.ours.tables", search, **more)


def _optuna(name: str, search: str, **more: Any) -> Side:
    return Side(name, "optuna", "benchmarks.peers.optuna_tables", search, **more)


OURS = _ours("paceline", "auto")
RANDOM = _optuna("random", "random", trials=2 * CHECKPOINTS[-1])
SEQUENTIAL = (
    OURS,
    _optuna("Optuna TPE", "tpe"),
    _optuna("Optuna GP", "gp", is_slow=True),
    _optuna("Optuna QMC", "qmc"),
    RANDOM,
)
OURS_IN_ROUNDS = _ours("paceline, rounds of 64", "auto", trials=4 * ROUND, batch=ROUND)
ROUNDS = (OURS_IN_ROUNDS, _optuna("Optuna TPE, rounds of 64", "tpe", trials=4 * ROUND, batch=ROUND))


def run(options: Options) -> Result:
    tables = lookup.TABLES[:1] if options.quick else lookup.TABLES
    found = {table: _runs(table, options) for table in tables}
    ranks = {count: _Ranks.of(found, count) for count in CHECKPOINTS}
    findings = [finding for count, rank in ranks.items() for finding in rank.findings(count)]
    return Result(
        title="Six tables: what is found in 20, 50 and 100 trials",
        method=METHOD.format(
            tables=", ".join(t.split("/")[1] for t in tables), seeds=_counted(found)
        ),
        findings=[*findings, *_target_findings(found)],
        headings=[
            "side",
            *(f"{table.split('/')[1]}: {', '.join(map(str, CHECKPOINTS))}" for table in tables),
            *_RANKS,
        ],
        rows=[*_rows(found, ranks), *_target_rows(found)],
        environments=["paceline", "optuna"],
    )


_RANKS = [f"average rank after {count}" for count in CHECKPOINTS]


# -- running


def _seeds(side: Side, options: Options) -> range:
    repeats = SLOW_SEEDS * options.slow_repeats if side.is_slow else SEEDS * options.repeats
    return range(2 if options.quick else repeats)


def _runs(table: str, options: Options) -> dict[str, Runs]:
    """The losses of all sides on one table."""
    sign = lookup.Table.read(table).sign
    found = {}
    for side in (*SEQUENTIAL, *ROUNDS):
        request = {
            "table": table,
            "search": side.search,
            "trials": side.trials,
            "batch": side.batch,
        }
        kept = runs(side.environment, side.module, request, _seeds(side, options))
        found[side.name] = sign * np.array([one["chosen"] for one in kept])
    return found


def _counted(found: Mapping[str, Mapping[str, Runs]]) -> str:
    """How many seeds each side had, in words."""
    counts: dict[int, list[str]] = {}
    for name, losses in next(iter(found.values())).items():
        counts.setdefault(len(losses), []).append(name)
    return "; ".join(f"{count} seeds: {', '.join(names)}" for count, names in counts.items())


# -- ranks


def _after(found: Mapping[str, Mapping[str, Runs]], count: int) -> dict[str, dict[str, Runs]]:
    """Losses by table and side after so many trials, shape [seeds]; random search with twice as
    many, too.
    """
    return {
        table: {
            **{side.name: losses[side.name][:, count - 1] for side in SEQUENTIAL},
            "random × 2": losses[RANDOM.name][:, 2 * count - 1],
        }
        for table, losses in found.items()
    }


def average_ranks(losses: Mapping[str, Mapping[str, Runs]]) -> dict[str, float]:
    """Rank of each side, 1 being best: of any run against any run of each other side, averaged over
    tables.
    """
    names = list(next(iter(losses.values())))
    ranks = dict.fromkeys(names, 1.0)
    for table in losses.values():
        for name in names:
            for other in names:
                if other != name:
                    behind = table[name][:, None] - table[other][None, :]
                    ranks[name] += float(np.mean((behind > 0) + 0.5 * (behind == 0))) / len(losses)
    return ranks


@dataclass(frozen=True)
class _Ranks:
    """Average ranks, and the same of resampled seeds."""

    ranks: dict[str, float]
    resampled: list[dict[str, float]]

    @classmethod
    def of(cls, found: Mapping[str, Mapping[str, Runs]], count: int) -> "_Ranks":
        losses, rng = _after(found, count), np.random.default_rng(count)
        again = [
            average_ranks(
                {
                    t: {n: rng.choice(v, len(v)) for n, v in sides.items()}
                    for t, sides in losses.items()
                }
            )
            for _ in range(_RESAMPLES // 10 if len(losses) < len(lookup.TABLES) else _RESAMPLES)
        ]
        return cls(average_ranks(losses), again)

    def cell(self, name: str) -> str:
        low, high = np.quantile([ranks[name] for ranks in self.resampled], [0.025, 0.975])
        return f"{self.ranks[name]:.2f} ({low:.2f}-{high:.2f})"

    def findings(self, count: int) -> Iterator[Finding]:
        """How far ahead of the best peer we are, and the lower end of its interval."""
        peer = min((name for name in self.ranks if name != OURS.name), key=self.ranks.__getitem__)
        ahead = [ranks[peer] - ranks[OURS.name] for ranks in self.resampled]
        what = f"ranks ahead of {peer}, the best peer after {count} trials"
        yield Finding(what, self.ranks[peer] - self.ranks[OURS.name], 0, unit="")
        yield Finding(
            f"the same, lower end of the 95 % interval ({count} trials)",
            np.quantile(ahead, 0.025),
            None,
            0,
            "",
        )


def _rows(
    found: Mapping[str, Mapping[str, Runs]], ranks: Mapping[int, _Ranks]
) -> Iterator[list[str]]:
    signs = {table: lookup.Table.read(table).sign for table in found}
    after = {count: _after(found, count) for count in CHECKPOINTS}
    for name in after[CHECKPOINTS[0]][next(iter(found))]:
        medians = [
            " / ".join(
                f"{signs[table] * np.median(after[count][table][name]):.4g}"
                for count in CHECKPOINTS
            )
            for table in found
        ]
        yield [name, *medians, *(ranks[count].cell(name) for count in CHECKPOINTS)]


# -- how soon the target is reached


def _reached(losses: Runs, target: float, step: int) -> Runs:
    """After how many steps of so many trials each seed is at the target; infinite where it never
    was.
    """
    there = losses[:, step - 1 :: step] <= target
    return np.where(there.any(axis=1), there.argmax(axis=1) + 1.0, math.inf)


def _steps(found: Mapping[str, Mapping[str, Runs]], side: Side) -> dict[str, Runs]:
    return {
        table: _reached(losses[side.name], float(np.median(losses[RANDOM.name][:, -1])), side.batch)
        for table, losses in found.items()
    }


def _median(values: Iterable[float]) -> float:
    """The median; NaN, for "not reached", where it is infinite."""
    middle = float(np.median(list(values)))
    return middle if math.isfinite(middle) else math.nan


def _target_findings(found: Mapping[str, Mapping[str, Runs]]) -> Iterator[Finding]:
    for side in SEQUENTIAL[:3]:
        trials = _median(np.median(steps) for steps in _steps(found, side).values())
        must, aim = (25, 15) if side is OURS else (None, None)
        what = (
            f"trials to random search's median after {RANDOM.trials}, median over tables: "
            f"{side.name}"
        )
        yield Finding(what, trials, must, aim, "trials", "lower")
    for side in ROUNDS:
        steps = _steps(found, side).values()
        must = 2 if side is OURS_IN_ROUNDS else None
        yield Finding(
            f"the same: {side.name}",
            _median(np.median(s) for s in steps),
            must,
            None,
            "rounds",
            "lower",
        )
        upper = _median(np.quantile(s, 0.75, method="higher") for s in steps)
        yield Finding(
            f"the same, upper quartile of seeds: {side.name}", upper, None, must, "rounds", "lower"
        )


def _target_rows(found: Mapping[str, Mapping[str, Runs]]) -> Iterator[list[str]]:
    for side in (*SEQUENTIAL[:3], *ROUNDS):
        unit = "trials" if side.batch == 1 else "rounds"
        middles = (_median(steps) for steps in _steps(found, side).values())
        cells = ["not reached" if math.isnan(middle) else number(middle) for middle in middles]
        yield [f"{unit} to the target: {side.name}", *cells, *[""] * len(CHECKPOINTS)]
