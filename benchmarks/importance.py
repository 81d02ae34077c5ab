"""Whether importance is right: simulated studies of known truth, with every search under every
schedule.

python -m benchmarks.importance --processes 16 --seeds 20

takes some minutes and puts its section into RESULTS.md; ``--cases tuned`` runs the cases by which
settings were chosen.
Nothing is trained: learning curves are made up, and time is virtual.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environments, report
from benchmarks.measure import Options
from benchmarks.ours import importance as ours
from benchmarks.ours.importance import Study
from benchmarks.report import Finding, Result

TRIALS, SEEDS = 90, 20
CLOSE = 0.1
Answer = Mapping[str, Any]

HELD_OUT = """No study of these cases was made before all settings of the surrogate had been chosen
on others ({others}), but for *noise*, which is among both."""
TUNED = "These are the cases by which the settings of the surrogate were chosen."

METHOD = """Studies of {trials} trials of at most 27 epochs (the grid: 3 points a number, 108 to 480
trials), {seeds} of each search under each schedule, of each of these made-up networks: {cases}.
Searches, schedules and the report's own code are those of the package; learning curves are
functions of the configuration, with noise of the seed and of each epoch that makes 1 to 8 % of the
variance, and time is virtual. The truth is counted in 32,768 configurations drawn evenly: what each
hyperparameter alone explains of the variance of single trainings' scores at the last epoch.
{chosen} A study is silent where it shows no shares. A cell is one case, search and schedule; where
at least {least} of its studies show shares it is right if the median share of every hyperparameter
is within 0.1 of the truth. Beside it, of the same trials: Optuna's fANOVA (16 trees), in which a
trial that was stopped counts with the score that it had, as it did here before; it has no say where
a hyperparameter is not in all trials. It tells shares of what its forest explains, without the
noise."""


@dataclass(frozen=True)
class Cell:
    """The studies of one case, search and schedule."""

    case: str
    search: str
    schedule: str
    answers: Sequence[Answer]
    truth: Mapping[str, float]

    @property
    def shown(self) -> list[Answer]:
        return [answer for answer in self.answers if answer["shown"]]

    def shares(self, name: str) -> np.ndarray[Any, Any]:
        """Of one hyperparameter, in the studies that show shares."""
        return np.array([answer["shares"][name][0] for answer in self.shown])

    @property
    def furthest(self) -> float:
        """The largest distance of a median share from the truth; NaN where all studies are
        silent.
        """
        if not self.shown:
            return float("nan")
        return max(
            abs(float(np.median(self.shares(name))) - true) for name, true in self.truth.items()
        )

    @property
    def close(self) -> list[bool]:
        """Of each study that shows shares, whether all of them are within 0.1 of the truth."""
        return [
            all(abs(answer["shares"][name][0] - true) <= CLOSE for name, true in self.truth.items())
            for answer in self.shown
        ]

    @property
    def covered(self) -> list[bool]:
        """Of each interval that is shown, whether it holds the truth (to within 0.01)."""
        return [
            answer["shares"][name][1] - 0.01 <= true <= answer["shares"][name][2] + 0.01
            for answer in self.shown
            for name, true in self.truth.items()
        ]

    def optuna(self, name: str) -> float:
        """The median share that Optuna gives one hyperparameter, over all studies."""
        found = [
            answer["optuna"][name] for answer in self.answers if name in (answer["optuna"] or {})
        ]
        return float(np.median(found)) if found else float("nan")

    @property
    def optuna_furthest(self) -> float:
        """As `furthest`, of Optuna's."""
        return max(abs(self.optuna(name) - true) for name, true in self.truth.items())

    def cells(self, least: int) -> list[str]:
        """A row of the table."""
        first = max(self.truth, key=lambda name: self.truth[name])
        shares, shown = self.shares(first), len(self.shown)
        low, middle, high = (
            np.quantile(shares, [0.1, 0.5, 0.9]).tolist() if shown else [float("nan")] * 3
        )
        if not shown:
            verdict = "silent"
        elif shown < least:
            verdict = "mostly silent"
        else:
            verdict = "right" if self.furthest <= CLOSE else "**wrong**"
        return [
            self.case,
            self.search,
            self.schedule,
            f"{first} {self.truth[first]:.2f}",
            f"{middle:.2f} ({low:.2f} to {high:.2f})" if shown else "-",
            f"{100 * (1 - shown / len(self.answers)):.0f}",
            f"{100 * np.mean(self.close):.0f}" if shown else "-",
            f"{self.furthest:.2f}" if shown else "-",
            verdict,
            f"{self.optuna(first):.2f}",
            f"{self.optuna_furthest:.2f}",
        ]


def simulated(processes: int, seeds: int, trials: int, cases: Sequence[str]) -> list[Cell]:
    """All studies, on so many processes."""
    keys = list(product(cases, ours.SEARCHES, ours.SCHEDULES))
    studies = [Study(*key, seed, trials) for seed in range(seeds) for key in keys]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        truths = dict(zip(cases, pool.map(ours.truth, cases), strict=True))
        answers: list[dict[str, Any]] = []
        for number, answer in enumerate(pool.map(ours.told_alone, studies, chunksize=2), start=1):
            answers.append(answer)
            if number % 100 == 0:
                print(f"{number:,} of {len(studies):,} studies", file=sys.stderr, flush=True)
    of_cell: dict[tuple[str, str, str], list[dict[str, Any]]] = {key: [] for key in keys}
    for answer in answers:
        study: Study = answer["study"]
        of_cell[study.case, study.search, study.schedule].append(answer)
    return [Cell(*key, found, truths[key[0]]) for key, found in of_cell.items()]


def result_of(cells: Sequence[Cell], seeds: int, trials: int, cases: Sequence[str]) -> Result:
    """The section."""
    least = max(1, seeds // 5)
    described = "; ".join(f"*{case}*: {_first_line(case)}" for case in cases)
    others = ", ".join(name for name in ours.TUNED if name not in cases)
    chosen = TUNED if set(cases) <= set(ours.TUNED) else HELD_OUT.format(others=others)
    return Result(
        title="What mattered",
        method=METHOD.format(
            trials=trials, seeds=seeds, cases=described, chosen=chosen, least=least
        ),
        findings=_findings(cells, least),
        headings=[
            "case",
            "search",
            "schedule",
            "truth of the largest share",
            "its median (10 to 90 % of studies)",
            "silent, %",
            "all within 0.1, % of the others",
            "furthest median",
            "verdict",
            "Optuna's fANOVA",
            "its furthest median",
        ],
        rows=[cell.cells(least) for cell in cells],
    )


def _findings(cells: Sequence[Cell], least: int) -> list[Finding]:
    told = [cell for cell in cells if len(cell.shown) >= least]
    plain = [cell for cell in cells if cell.case != "noise"]
    close = [one for cell in plain for one in cell.close]
    covered = [one for cell in plain for one in cell.covered]
    of_noise = [len(cell.shown) for cell in cells if cell.case == "noise"]
    num_noise = sum(len(cell.answers) for cell in cells if cell.case == "noise")
    all_optuna = [
        cell.optuna_furthest <= CLOSE
        for cell in plain
        if cell.optuna_furthest == cell.optuna_furthest
    ]
    findings = [
        Finding(
            "cells that are right, of those that are not silent",
            _percent(c.furthest <= CLOSE for c in told),
            must=100.0,
            unit="%",
        ),
        Finding(
            "studies whose shares are all within 0.1, of those that show some",
            _percent(close),
            must=70.0,
            unit="%",
        ),
        Finding("intervals that hold the truth", _percent(covered), must=90.0, unit="%"),
        Finding(
            "studies of noise that show shares",
            100 * sum(of_noise) / max(1, num_noise),
            must=5.0,
            unit="%",
            better="lower",
        ),
    ]
    for schedule in ours.SCHEDULES:
        shown = sum(len(cell.shown) for cell in plain if cell.schedule == schedule)
        every = sum(len(cell.answers) for cell in plain if cell.schedule == schedule)
        findings.append(
            Finding(
                f"studies under {schedule!r} that show shares",
                100 * shown / max(1, every),
                unit="%",
            )
        )
    findings.append(
        Finding("cells in which Optuna's medians would be right", _percent(all_optuna), unit="%")
    )
    return findings


def _first_line(case: str) -> str:
    text = (ours.CASES[case].__doc__ or "").strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _percent(values: Any) -> float:
    found = list(values)
    return 100 * sum(found) / len(found) if found else float("nan")


def run(options: Options) -> Result:
    """As a part of `benchmarks.run`."""
    cases = list(ours.HELD_OUT)
    seeds, trials = (1, 40) if options.quick else (SEEDS, TRIALS)
    cases = cases[:1] if options.quick else cases
    return result_of(simulated(os.cpu_count() or 1, seeds, trials, cases), seeds, trials, cases)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the head of this file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.importance", description=__doc__)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, help=f"studies of each cell (default {SEEDS})"
    )
    parser.add_argument(
        "--trials", type=int, default=TRIALS, help=f"of each study (default {TRIALS})"
    )
    parser.add_argument("--cases", choices=("held-out", "tuned"), default="held-out")
    parser.add_argument(
        "--output", type=Path, help="whose section is replaced (default RESULTS.md; - for none)"
    )
    asked = parser.parse_args(arguments)
    cases = list(ours.HELD_OUT if asked.cases == "held-out" else ours.TUNED)
    load, start = os.getloadavg()[0], time.perf_counter()
    cells = simulated(asked.processes, asked.seeds, asked.trials, cases)
    command = f"python -m benchmarks.importance --processes {asked.processes} --seeds {asked.seeds}"
    command += f" --trials {asked.trials}" * (asked.trials != TRIALS) + " --cases tuned" * (
        asked.cases == "tuned"
    )
    took = report.Took(load, time.perf_counter() - start)
    result = result_of(cells, asked.seeds, asked.trials, cases)
    section = report.render("importance", result, command=command, took=took)
    print(section, flush=True)
    output = asked.output or (environments.ROOT / "benchmarks" / "RESULTS.md")
    if str(output) != "-" and asked.cases == "held-out":
        from benchmarks.run import BENCHMARKS

        report.update(output, "importance", section, BENCHMARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
