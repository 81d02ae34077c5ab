"""Whether importance is right: order and intervals on functions whose importance is known."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Answer, Options, ask
from benchmarks.report import Finding, Result

CASES = ("additive", "interacting", "conditional")
TRIALS, RUNS = 200, 200
_NOTHING = 0.002  # a share below which there is nothing to be found

METHOD = """{runs} studies of {trials} evenly drawn trials of each of three functions, with noise that makes 5 % of the
variance: *additive* (six numbers with shares of the variance of 48, 26, 14, 7, 0 and 0 %), *interacting* (30, 13, 6 %
and a pair with 46 %; three that do nothing) and *conditional* (a log-scaled rate 37 %, its interaction with one of
three kinds 15 %, the kind 13 %, a momentum that only one kind has 23 %, layers 7 %, a dropout that does nothing). The
truth of the analysis of variance is that of the function over the space; that of "being among the best tenth" is
counted in {population:,} trials. An order is right where every hyperparameter that explains more than another is shown
with more; those that explain nothing have no order among them. Covered: the 95 % interval holds the truth. That of a
share that is 0 can miss on one side only, and so has 97.5 % to reach. Peers give no intervals."""


@dataclass(frozen=True)
class Told:
    """What was said of one hyperparameter or pair over all studies: (share, low, high) of each."""

    truth: float
    shares: Sequence[tuple[float, float, float]]

    @property
    def covered(self) -> list[bool]:
        return [low <= self.truth + 1e-12 and self.truth <= high + 1e-12 for _, low, high in self.shares]

    def cells(self) -> list[str]:
        mean = sum(share for share, _, _ in self.shares) / len(self.shares)
        width = sum(high - low for _, low, high in self.shares) / len(self.shares)
        return [f"{self.truth:.3f}", f"{mean:.3f}", f"{width:.3f}", f"{100 * _mean(self.covered):.1f}"]


def run(options: Options) -> Result:
    trials, runs, population = (60, 5, 10_000) if options.quick else (TRIALS, RUNS, 100_000)
    request = {"trials": trials, "runs": runs, "population": population, "seed": 11}
    answers = {case: ask("paceline", "benchmarks.ours.importance", {**request, "case": case}) for case in CASES}
    variance = {case: _right(answer, "effects", _shares(answer)) for case, answer in answers.items()}
    findings = [
        Finding(f"{case}: right order of what each explains", 100 * share, must=95.0, unit="%")
        for case, share in variance.items()
    ]
    kinds = (
        ("effects", "shares of the variance"),
        ("pairs", "shares of pairs"),
        ("best", "shares of being among the best tenth"),
    )
    rows: list[list[str]] = []
    for kind, name in kinds:
        told = {case: _told(answer, kind) for case, answer in answers.items()}
        every = [one for of_case in told.values() for one in of_case.values()]
        there = [c for one in every if one.truth > _NOTHING for c in one.covered]
        nothing = [c for one in every if one.truth <= _NOTHING for c in one.covered]
        findings += [
            Finding(f"{name}: covered, at least", 100 * _mean(there), must=90.0, unit="%"),
            Finding(f"{name}: covered, at most", 100 * _mean(there), must=98.0, unit="%", better="lower"),
            Finding(f"{name} that are 0: covered, at least", 100 * _mean(nothing), must=90.0, unit="%"),
            Finding(f"{name} that are 0: covered, at most", 100 * _mean(nothing), must=98.0, unit="%", better="lower"),
        ]
        rows += [
            [case, name, " × ".join(names), *one.cells()]
            for case, of_case in told.items() for names, one in of_case.items() if one.truth > _NOTHING
        ]  # fmt: skip
    findings += [
        Finding(
            f"{case}: right order of being among the best tenth", 100 * _right(answer, "best", _best(answer)), unit="%"
        )
        for case, answer in answers.items()
    ]
    r2 = ", ".join(f"{case} {_mean([one['r2'] for one in answer['runs']]):.2f}" for case, answer in answers.items())
    return Result(
        title="What mattered",
        method=METHOD.format(runs=runs, trials=trials, population=population)
        + f" R2 of the forest on unseen trials: {r2}.",
        findings=findings,
        headings=["function", "what", "of", "truth", "mean", "width of interval", "covered, %"],
        rows=rows,
    )


def _shares(answer: Answer) -> Callable[[tuple[str, ...]], float]:
    shares: Mapping[tuple[str, ...], float] = {tuple(sorted(one[:-1])): one[-1] for one in answer["shares"]}
    return lambda names: shares.get(tuple(sorted(names)), 0.0)


def _best(answer: Answer) -> Callable[[tuple[str, ...]], float]:
    return lambda names: answer["best"][names[0]]


def _said(of_run: Mapping[str, Any], kind: str) -> Iterator[tuple[tuple[str, ...], tuple[float, float, float]]]:
    for one in of_run[kind]:
        yield tuple(sorted(one[:-3])), (one[-3], one[-2], one[-1])


def _told(answer: Answer, kind: str) -> dict[tuple[str, ...], Told]:
    truth = _best(answer) if kind == "best" else _shares(answer)
    found: dict[tuple[str, ...], list[tuple[float, float, float]]] = {}
    for of_run in answer["runs"]:
        for names, share in _said(of_run, kind):
            found.setdefault(names, []).append(share)
    return {names: Told(truth(names), shares) for names, shares in found.items()}


def _right(answer: Answer, kind: str, truth: Callable[[tuple[str, ...]], float]) -> float:
    """In which part of the runs every pair is shown in its true order."""
    right = []
    for of_run in answer["runs"]:
        share = {names: said[0] for names, said in _said(of_run, kind)}
        right.append(all(share[a] > share[b] for a in share for b in share if truth(a) > truth(b) + _NOTHING))
    return _mean(right)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
