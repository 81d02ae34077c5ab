"""A conditional space with a known optimum: what is found in 100 trials, against Optuna's
samplers.
"""

import numpy as np
from scipy import stats

from benchmarks import environments
from benchmarks.branches import OPTIMUM, PARAMETERS
from benchmarks.kept import runs
from benchmarks.measure import Options
from benchmarks.report import Finding, Result

SEEDS = 10
"""Seeds of a repeat; Optuna's GP has half of them for each slow repeat."""

METHOD = """A made-up space of {count} hyperparameters in three branches of different depth
(`benchmarks/branches.py`), its optimum known to be 0 and in the deepest. {trials} trials, one at a
time; the regret is the best loss found. Ratios are of median regrets. The test is Wilcoxon's
signed-rank test of log regrets, seed against seed, one-sided: p is the chance of such figures if we
were no better. Optuna's samplers have their defaults. {seeds} seeds; its GP has {slow}."""


def run(options: Options) -> Result:
    trials = 20 if options.quick else 100
    seeds, slow = (
        (5, 5) if options.quick else (SEEDS * options.repeats, SEEDS // 2 * options.slow_repeats)
    )

    optuna = ("optuna", "benchmarks.peers.optuna_conditional")
    sides = {
        "paceline": (environments.OURS, "benchmarks.ours.conditional", "auto", seeds),
        "Optuna TPE": (*optuna, "tpe", seeds),
        "Optuna GP": (*optuna, "gp", slow),
        "random": (*optuna, "random", seeds),
    }
    regrets = {
        name: np.array(
            runs(environment, module, {"search": search, "trials": trials}, range(count))
        )
        - OPTIMUM
        for name, (environment, module, search, count) in sides.items()
    }
    last = {name: np.maximum(found[:, -1], 1e-12) for name, found in regrets.items()}
    findings = []
    for peer in ("Optuna TPE", "Optuna GP"):
        both = min(len(last["paceline"]), len(last[peer]))
        better = np.log(last["paceline"][:both]) - np.log(last[peer][:both])
        chance = float(stats.wilcoxon(better, alternative="less").pvalue)
        ratio = float(np.median(last[peer]) / np.median(last["paceline"]))
        findings.append(Finding(f"regret of {peer}, as a multiple of ours", ratio, 1.0))
        findings.append(
            Finding(f"paired test against {peer}, {both} seeds: p", chance, 0.05, None, "", "lower")
        )
    marks = [count for count in (20, 50, 100) if count <= trials]
    return Result(
        title=f"A conditional space with a known optimum, {trials} trials",
        method=METHOD.format(count=len(PARAMETERS), trials=trials, seeds=seeds, slow=slow),
        findings=findings,
        headings=["side", *(f"regret after {count}: median (quartiles)" for count in marks)],
        rows=[
            [name, *(_quartiles(found[:, count - 1]) for count in marks)]
            for name, found in regrets.items()
        ],
        environments=["paceline", "optuna"],
    )


def _quartiles(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.3g} ({low:.3g}-{high:.3g})"
