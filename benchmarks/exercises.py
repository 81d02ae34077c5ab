"""The exercises of `examples/`, with the usual libraries and with Paceline."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks import environments
from benchmarks.measure import Answer, Options, SideError, Spread, folder, in_turn, run_side
from benchmarks.report import Finding, Result

SCRIPTS = environments.ROOT / "examples" / "exercises"
MINUTES = 60
"""After how long a side is given up."""
TIMES = 5.0
"""How much faster each exercise must be."""

METHOD = """The scripts of `examples/exercises`, each with the libraries that people use for it
(Keras's `fit`, KerasTuner 1.4.8 on Keras-JAX, scikeras in scikit-learn's and scikit-optimize's
searches) and with Paceline: with `paceline run` where a script is unchanged, else as the script of
the same name with `_paceline`. Each runs in a process of its own, in an empty directory, with an
empty cache of compiled models. The ratio is of the seconds of whole processes, with imports, data,
search and the test of the best. Scores are those of the best configuration's network on test rows
(accuracy, or the negative mean squared error), for information."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        usual: the script with the usual libraries.
        environment: where that runs.
        ours: arguments of Python before the script with Paceline.
        script: the script with Paceline.
    """

    usual: str
    environment: str
    ours: Sequence[str]
    script: str


def _unchanged(name: str) -> Exercise:
    return Exercise(name, "keras-jax", ("-m", "paceline", "run"), name)


def _changed(name: str, environment: str) -> Exercise:
    return Exercise(name, environment, (), f"{name}_paceline")


EXERCISES = (
    _changed("kmnist_given", "keras-jax"),
    _unchanged("kmnist_grid"),
    _unchanged("mnist_bayesian"),
    _changed("mnist_ladder", "keras-jax"),
    _changed("california_search", environments.OURS),  # which has scikeras and scikit-optimize
    _unchanged("mnist_cnn"),
)


def run(options: Options) -> Result:
    if not options.quick and not os.environ.get("PACELINE_DATA"):
        raise SideError("PACELINE_DATA does not name the folder of MNIST, KMNIST and California")
    findings, rows = [], []
    for exercise in EXERCISES:
        answers = _answers(exercise, options)
        usual, ours = answers["usual"], answers["ours"]
        seconds = {side: Spread.of(found, "wall_seconds") for side, found in answers.items()}
        ratio = seconds["usual"].median / seconds["ours"].median
        findings.append(Finding(f"times as fast, {exercise.usual}", ratio, must=TIMES))
        rows.append(
            [
                exercise.usual,
                f"{ours[0]['data']}, {ours[0]['rows']:,}",
                str(seconds["usual"]),
                str(seconds["ours"]),
                str(Spread.of(usual, "score")),
                str(Spread.of(ours, "score")),
            ]
        )
    return Result(
        title="Five exercises",
        method=METHOD,
        findings=findings,
        headings=[
            "exercise",
            "data, rows",
            "s, usual",
            "s, Paceline",
            "score, usual",
            "score, Paceline",
        ],
        rows=rows,
        environments=[environments.OURS, "keras-jax"],
    )


def _answers(exercise: Exercise, options: Options) -> dict[str, list[Answer]]:
    """What both sides of an exercise printed, run in turn."""
    more = ["--quick"] if options.quick else []
    usual = [str(SCRIPTS / f"{exercise.usual}.py"), *more]
    ours = [*exercise.ours, str(SCRIPTS / f"{exercise.script}.py"), *more]
    return in_turn(
        {
            "usual": (options.slow_repeats, partial(_run, exercise.environment, usual)),
            "ours": (options.repeats, partial(_run, environments.OURS, ours)),
        }
    )


def _run(environment: str, arguments: Sequence[str], _: int) -> Answer:
    name = next(argument for argument in arguments if argument.endswith(".py"))
    with folder() as directory:
        return run_side(
            environment,
            arguments,
            name=name.rpartition("/")[2],
            minutes=MINUTES,
            directory=directory,
        )
