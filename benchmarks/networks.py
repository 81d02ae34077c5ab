"""The built-in networks on real data: their defaults, and a short search."""

import statistics
from dataclasses import dataclass

from benchmarks.measure import Answer, Options, ask, number
from benchmarks.report import Finding, Result


@dataclass(frozen=True)
class Case:
    """A data set, and the networks that suit it.

    Attributes:
        data: its name in `benchmarks.ours.networks`.
        networks: the first is the one to compare with.
        better: which of them has to be at least as good as the first, with its defaults.
        epochs, batch_size: of each training.
        is_error: whether the metric is an error, not an accuracy.
    """

    data: str
    networks: tuple[str, ...]
    better: str
    epochs: int
    batch_size: int
    is_error: bool = False


CASES = (
    Case("digits", ("mlp", "cnn", "resnet", "transformer", "lstm"), "resnet", 30, 32),
    Case("digits as tokens", ("mlp", "transformer", "lstm"), "transformer", 30, 32),
    Case("fashion_mnist", ("mlp", "cnn", "resnet"), "resnet", 10, 64),
    Case("california_housing", ("mlp", "tabular"), "tabular", 30, 128, is_error=True),
    Case("gapminder", ("mlp", "tabular"), "tabular", 60, 32, is_error=True),
)

METHOD = """Each network on each data set that it takes: the default configuration, trained with
{seeds} seeds, and the winner of a search of {trials} trials, both trained again on training and
validation rows together, on test rows that neither has seen. Accuracy; for California Housing and
Gapminder (life expectancy of 142 countries in years) the root of the mean squared error. Fashion-
MNIST: 5,000 images to train on; digits as sequences of 8 rows, and as 64 tokens."""


def run(options: Options) -> Result:
    seeds, trials = (1, 0) if options.quick else (3, 16)
    answers = {case: _ask(case, seeds, trials, options.quick) for case in CASES}
    return Result(
        title="Built-in networks: defaults, and a short search",
        method=METHOD.format(seeds=seeds, trials=trials),
        findings=[_finding(case, answer) for case, answer in answers.items()],
        headings=["data", "network", "default (of each seed)", "search"],
        rows=[
            [case.data, name, ", ".join(map(number, found["default"])), _shown(found)]
            for case, answer in answers.items()
            for name, found in answer.items()
            if name in case.networks
        ],
        environments=["paceline"],
    )


def _ask(case: Case, seeds: int, trials: int, quick: bool) -> Answer:
    request = {
        "data": case.data,
        "networks": case.networks,
        "trials": trials,
        "seeds": seeds,
        "epochs": 1 if quick else case.epochs,
        "batch_size": case.batch_size,
        "quick": quick,
    }
    return ask("paceline", "benchmarks.ours.networks", request, minutes=60)


def _finding(case: Case, answer: Answer) -> Finding:
    base, other = (
        statistics.fmean(answer[name]["default"]) for name in (case.networks[0], case.better)
    )
    what = f"{case.data}: {case.better} less {case.networks[0]}, defaults"
    if case.is_error:
        return Finding(what, other - base, 0.0, unit="", better="lower")
    return Finding(what, other - base, 0.0, unit="", better="higher")


def _shown(found: Answer) -> str:
    return number(found["search"]) if "search" in found else ""
