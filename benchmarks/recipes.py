"""The recipes: how long each takes, and what it reaches."""

from pathlib import Path
from typing import Any

from benchmarks.measure import Options, ask, folder, number
from benchmarks.report import Finding, Result

METHOD = """Each recipe as `paceline recipe run` carries it out, in a process of its own with an empty cache, after the
lane capacity of the machine was measured. The exhaustive grid ({data}, 54,000 training images) is extrapolated from
{share}: {programs} of its {all_programs} programs (networks that differ in learning rate, weight decay and epochs
alone share one), as many of each width, drawn at random; process time less start-up, times {factor:.1f}. The `smart`
part runs on the same data; its best is held against the best of that sample, with the standard deviation of its own
final's trainings beside it."""


def run(options: Options) -> Result:
    data = "fashion_mnist"
    with folder() as directory:
        request = {"quick": options.quick, "data": data}
        sample = _ask("sample", request, directory)
        smart = _ask("smart", request, directory)
        predefined = _ask("predefined", request, directory)
        methods = _ask("mnist-methods", {**request, "data": "mnist"}, directory)
        cnn = _ask("mnist-cnn", {**request, "data": "mnist"}, directory)
    every = sample["wall_seconds"] + sample["search_seconds"] * (sample["factor"] - 1)
    share = 100 * smart["search_seconds"] / every
    findings = [
        Finding("kmnist-mlp exhaustive, all of the grid (extrapolated)", every / 60, 60, 25, "min", "lower"),
        Finding("kmnist-mlp smart, of the time of all of them", share, 5, 1, "%", "lower"),
        Finding("kmnist-mlp smart, best below the sample's best by", sample["best"] - smart["best"], unit=""),
        Finding("mnist-methods, test accuracy of the best", methods["accuracy"] * 100, 98.3, 98.6, "%"),
        Finding("mnist-methods, time", methods["wall_seconds"] / 60, 10, None, "min", "lower"),
        Finding("mnist-cnn, test accuracy", cnn["accuracy"] * 100, 99.0, 99.4, "%"),
        Finding("mnist-cnn, time", cnn["wall_seconds"] / 60, 30, None, "min", "lower"),
    ]
    answers = {
        "kmnist-mlp, sample": sample, "kmnist-mlp, smart": smart, "kmnist-mlp, predefined": predefined,
        "mnist-methods": methods, "mnist-cnn": cnn,
    }  # fmt: skip
    return Result(
        title="The recipes",
        method=METHOD.format(data=data, **{k: sample[k] for k in ("share", "programs", "all_programs", "factor")}),
        findings=findings,
        headings=["what", "process, s", "trials", "best validation accuracy", "test accuracy", "95 % interval"],
        rows=[_row(name, answer) for name, answer in answers.items()],
    )


def _ask(what: str, request: dict[str, Any], directory: Path) -> dict[str, Any]:
    study = str(directory / what)
    return ask("paceline", "benchmarks.ours.recipes", {**request, "what": what, "study": study}, minutes=60)


def _row(name: str, answer: dict[str, Any]) -> list[str]:
    tested = [f"{answer['accuracy']:.4f}", f"{answer['low']:.4f} to {answer['high']:.4f}"]
    return [name, number(answer["wall_seconds"]), str(answer["trials"]), f"{answer['best']:.4f}", *tested]
