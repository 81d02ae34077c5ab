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
searches) and with Paceline, as the script of the same name with `_paceline`. Scripts for KerasTuner
also run unchanged, with `paceline run`, which trains every trial to its end, as KerasTuner does;
their scripts for Paceline have the same number of trials and stop slow ones early (asha). Each runs
in a process of its own, in an empty directory, with an empty cache of compiled models. The ratio is
of the seconds of whole processes, with imports, data, search and the test of the best. Scores are
those of the best configuration's network on test rows (accuracy, or the negative mean squared
error), for information."""
_SIDES = ("usual", "paceline", "unchanged")


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        name: of the script with the usual libraries; that with Paceline has `_paceline` after it.
        environment: where the usual libraries are.
        runs_unchanged: whether the script is one for KerasTuner.
    """

    name: str
    environment: str = "keras-jax"
    runs_unchanged: bool = False

    def sides(self) -> dict[str, tuple[str, list[str]]]:
        """The environment and Python's arguments of each side."""
        usual, ours = (str(SCRIPTS / f"{self.name}{end}.py") for end in ("", "_paceline"))
        sides = {
            "usual": (self.environment, [usual]),
            "paceline": (environments.OURS, [ours]),
            "unchanged": (environments.OURS, ["-m", "paceline", "run", usual]),
        }
        return {side: sides[side] for side in (_SIDES if self.runs_unchanged else _SIDES[:2])}


EXERCISES = (
    Exercise("kmnist_given"),
    Exercise("kmnist_grid", runs_unchanged=True),
    Exercise("mnist_bayesian", runs_unchanged=True),
    Exercise("mnist_ladder"),
    Exercise("california_search", environments.OURS),  # which has scikeras and scikit-optimize
    Exercise("mnist_cnn", runs_unchanged=True),
)


def run(options: Options) -> Result:
    if not options.quick and not os.environ.get("PACELINE_DATA"):
        raise SideError("PACELINE_DATA does not name the folder of MNIST, KMNIST and California")
    findings, rows = [], []
    for exercise in EXERCISES:
        answers = _answers(exercise, options)
        seconds = {side: Spread.of(found, "wall_seconds") for side, found in answers.items()}
        usual = seconds["usual"].median
        findings += [
            Finding(
                f"times as fast, {exercise.name}{', unchanged' if side == 'unchanged' else ''}",
                usual / seconds[side].median,
                must=TIMES if side == "paceline" else None,
            )
            for side in answers
            if side != "usual"
        ]
        first = answers["usual"][0]
        columns = (seconds, {side: Spread.of(found, "score") for side, found in answers.items()})
        cells = [str(column.get(side, "-")) for column in columns for side in _SIDES]
        rows.append([exercise.name, f"{first['data']}, {first['rows']:,}", *cells])
    return Result(
        title="Five exercises",
        method=METHOD,
        findings=findings,
        headings=[
            "exercise",
            "data, rows",
            *(f"{what}, {side}" for what in ("s", "score") for side in _SIDES),
        ],
        rows=rows,
        environments=[environments.OURS, "keras-jax"],
    )


def _answers(exercise: Exercise, options: Options) -> dict[str, list[Answer]]:
    """What each side of an exercise printed, run in turn."""
    more = ["--quick"] if options.quick else []
    return in_turn(
        {
            side: (
                options.slow_repeats if side == "usual" else options.repeats,
                partial(_run, environment, [*arguments, *more]),
            )
            for side, (environment, arguments) in exercise.sides().items()
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
