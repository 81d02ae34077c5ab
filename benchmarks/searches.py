"""Paceline's random search against KerasTuner's: what `california` and `mnist` share."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Answer, Options, Spread, ask, far_seed, folder, in_turn, number
from benchmarks.report import Finding, Result

COLD, WARM = "paceline, first time", "paceline, again"
KERAS_JAX, KERAS_TF = "keras-jax", "keras-tf"
PEERS = {KERAS_JAX: "KerasTuner on Keras-JAX", KERAS_TF: "KerasTuner on Keras-TensorFlow"}

METHOD = """Whole processes are timed, from start to exit, imports and reading the data included;
"search" is the call of `tune` or `search` alone. All sides read the same arrays and have the same
build function. "First time" starts with an empty cache directory, so every program is compiled:
these are the figures held against the bounds. "Again" is another study (another seed, so other
configurations) that finds the first one's cache. Each run has its own seed (KerasTuner's far apart
and never 0); since each side draws its own configurations, the mean number of weights of a network
says whether they had like work."""


def compare(
    request: Mapping[str, Any], options: Options, peers: Sequence[str] = (KERAS_JAX, KERAS_TF)
) -> dict[str, list[Answer]]:
    """Answers of both runs of ours and of the peers, by side."""
    with folder() as caches:
        ours, theirs = options.repeats, options.slow_repeats
        first, *others = [(peer, (theirs, partial(_peer, request, peer))) for peer in peers]
        cold = (COLD, (ours, partial(_ours, request, caches, 1)))
        warm = (WARM, (ours, partial(_ours, request, caches, 2)))
        return in_turn(dict([cold, first, warm, *others]))


def _ours(request: Mapping[str, Any], caches: Path, seed: int, repeat: int) -> Answer:
    cache = caches / str(repeat)
    cache.mkdir(exist_ok=True)
    asked = {**request, "seed": seed + 2 * repeat}
    return ask("paceline", "benchmarks.ours.search", asked, cache=cache)


def _peer(request: Mapping[str, Any], environment: str, repeat: int) -> Answer:
    return ask(
        environment, "benchmarks.peers.keras_tuner_search", {**request, "seed": far_seed(repeat)}
    )


def result(
    title: str,
    what: str,
    answers: Mapping[str, list[Answer]],
    bounds: Mapping[str, tuple[float, float]],
) -> Result:
    """The section: whole-process ratios against the bounds, search-only and warm ratios beside
    them.

    Args:
        title: heading.
        what: what is trained, in prose.
        answers: as `compare` gives them.
        bounds: must and aim by peer.
    """

    def ratio(peer: str, side: str, key: str) -> float:
        return Spread.of(answers[peer], key).median / Spread.of(answers[side], key).median

    findings = []
    for peer, (must, aim) in bounds.items():
        findings.append(
            Finding(
                f"faster than {PEERS[peer]}, whole process",
                ratio(peer, COLD, "wall_seconds"),
                must,
                aim,
            )
        )
        findings.append(
            Finding(f"faster than {PEERS[peer]}, search alone", ratio(peer, COLD, "search_seconds"))
        )
        findings.append(
            Finding(
                f"faster than {PEERS[peer]}, whole process, again",
                ratio(peer, WARM, "wall_seconds"),
            )
        )
    return Result(
        title=title,
        method=f"{what} {METHOD}",
        findings=findings,
        headings=["side", "process, s", "search, s", "mean weights", "programs compiled"],
        rows=[_row(PEERS.get(side, side), found) for side, found in answers.items()],
        environments=["paceline", *bounds],
    )


def _row(side: str, answers: list[Answer]) -> list[str]:
    compiled = ", ".join(str(answer.get("programs_compiled", "-")) for answer in answers)
    weights = number(Spread.of(answers, "parameters").median)
    return [
        side,
        str(Spread.of(answers, "wall_seconds")),
        str(Spread.of(answers, "search_seconds")),
        weights,
        compiled,
    ]
