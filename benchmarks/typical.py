"""The spaces that people write, whose widths vary, against KerasTuner on Keras-JAX."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import arrays, searches
from benchmarks.measure import Answer, Options, Spread, folder
from benchmarks.report import Finding, Result
from benchmarks.searches import COLD, KERAS_JAX, PEERS, WARM

STRUCTURES = 12
"""Of the space on California Housing: four numbers of layers times three optimizers. Neither the
width nor the learning rate should cost a program.
"""

METHOD = """Two spaces as textbooks and tutorials write them, in which a width takes many values.
**California**: {california_rows:,} training rows, 8 features, standardised; layers 0-3,
`Int("neurons", 1, 100)`, SGD, Adam or RMSprop with `clipnorm=1`, learning rate 1e-4 to 1e-1 (log);
random search, {california.trials} trials × {california.epochs} epochs, scored by validation loss.
**MNIST**: {mnist_rows:,} training rows, flattened; one hidden layer of
`Int("units", 32, 512, step=32)`, `Float("dropout", 0, 0.5, step=0.1)`, Adam with a learning rate of
1e-2 or 1e-3, scored by validation accuracy; Bayesian search, {bayes.trials} trials × {bayes.epochs}
epochs, and random search, {random.trials} trials × {random.epochs} epochs. Batches of 32.

{shared} A program is counted once for each number of lanes for which it is compiled from scratch;
it is two executables, the steps and the end of an epoch."""


@dataclass(frozen=True)
class Job:
    """A search that all sides carry out.

    Attributes:
        title: in the results.
        space: its name in `benchmarks.builds.SPACES`.
        search: its name for Paceline, and for `benchmarks.peers.keras_tuner_search`.
        trials: number of trials.
        epochs: of each trial.
        bounds: must and aim of how much faster it is the first time.
    """

    title: str
    space: str
    search: str
    trials: int
    epochs: int
    bounds: tuple[float, float]


CALIFORNIA = Job("California, random", "typical california", "random", 32, 10, (8, 12))
BAYES = Job("MNIST, Bayesian", "typical mnist", "bayes", 10, 5, (4.5, 6))
RANDOM = Job("MNIST, random", "typical mnist", "random", 40, 5, (5.5, 7))


def run(options: Options) -> Result:
    return measure(options, "Typical spaces: widths vary, California Housing", [CALIFORNIA])


def measure(options: Options, title: str, jobs: list[Job]) -> Result:
    """Carries out searches on all sides.

    Args:
        options: of the benchmark.
        title: of the section.
        jobs: the searches.
    """
    if options.quick:
        jobs = [replace(job, trials=4, epochs=1) for job in jobs]
    with folder() as directory:
        data = _write_data(directory, options.quick)
        answers = {
            job.title: searches.compare(_request(job, data[job.space]), options, [KERAS_JAX])
            for job in jobs
        }
        rows = {space: len(arrays.read(path)["x"]) for space, path in data.items()}
    findings = [finding for job in jobs for finding in _findings(job, answers[job.title])]
    return Result(
        title=title,
        method=METHOD.format(
            california=CALIFORNIA,
            bayes=BAYES,
            random=RANDOM,
            california_rows=rows[CALIFORNIA.space],
            mnist_rows=rows[BAYES.space],
            shared=searches.METHOD,
        ),
        findings=findings,
        headings=[
            "search",
            "side",
            "process, s",
            "search, s",
            "mean weights",
            "programs",
            "executables",
            "best score",
        ],
        rows=[
            _row(title, side, found)
            for title, sides in answers.items()
            for side, found in sides.items()
        ],
        environments=["paceline", KERAS_JAX],
    )


def _write_data(directory: Path, quick: bool) -> dict[str, Path]:
    """The data of both spaces, by the name of the space."""
    california, mnist = directory / "california.npz", directory / "mnist.npz"
    arrays.write_mnist(mnist, quick=quick)
    if quick:
        arrays.write_made_up(california, (8,), 640, classes=None)
    else:
        arrays.write_named("california_housing", california, rows=16_000, test=0.1)
    return {CALIFORNIA.space: california, BAYES.space: mnist}


def _request(job: Job, data: Path) -> Mapping[str, Any]:
    return {
        "space": job.space,
        "data": str(data),
        "search": job.search,
        "trials": job.trials,
        "epochs": job.epochs,
        "batch_size": 32,
    }


def _findings(job: Job, answers: Mapping[str, list[Answer]]) -> list[Finding]:
    def ratio(side: str, key: str) -> float:
        return Spread.of(answers[KERAS_JAX], key).median / Spread.of(answers[side], key).median

    is_counted = job.title == CALIFORNIA.title
    faster = f"{job.title}: faster than {PEERS[KERAS_JAX]}"
    compiled = f"{job.title}: programs compiled"
    must_again, aim_again = (15, 20) if is_counted else (None, None)
    must_compile, aim_compile = (14, STRUCTURES) if is_counted else (None, None)
    return [
        Finding(f"{faster}, whole process", ratio(COLD, "wall_seconds"), *job.bounds),
        Finding(f"{faster}, search alone", ratio(COLD, "search_seconds")),
        Finding(
            f"{faster}, whole process, another seed with the first study's cache",
            ratio(WARM, "wall_seconds"),
            must_again,
            aim_again,
        ),
        Finding(
            f"{compiled} the first time" + (f" ({STRUCTURES} structures)" if is_counted else ""),
            Spread.of(answers[COLD], "programs").median,
            must_compile,
            aim_compile,
            unit="",
            better="lower",
        ),
        Finding(
            f"{compiled} again, another seed",
            max(float(answer["programs"]) for answer in answers[WARM]),
            must=0,
            unit="",
            better="lower",
        ),
    ]


def _row(title: str, side: str, answers: list[Answer]) -> list[str]:
    def each(key: str) -> str:
        return ", ".join(str(answer.get(key, "-")) for answer in answers)

    return [
        title,
        PEERS.get(side, side),
        *(str(Spread.of(answers, key)) for key in ("wall_seconds", "search_seconds", "parameters")),
        each("programs"),
        each("programs_compiled"),
        str(Spread.of(answers, "best")),
    ]
