"""What the benchmarks of the recipes have in common."""

from pathlib import Path
from typing import Any

from benchmarks.measure import Answer, Options, ask, folder, number
from benchmarks.report import Finding, Result

METHOD = """As `paceline recipe run` carries it out, in a process of its own with an empty cache,
after the lane capacity of the machine was measured."""
HEADINGS = [
    "what",
    "process, s",
    "trials",
    "best validation accuracy",
    "test accuracy",
    "95 % interval",
]


def carried_out(what: str, data: str, options: Options, directory: Path) -> Answer:
    """What a recipe, or a part of one, came to."""
    request: dict[str, Any] = {
        "what": what,
        "data": data,
        "quick": options.quick,
        "study": str(directory / what),
    }
    return ask("paceline", "benchmarks.ours.recipes", request, minutes=60)


def row(name: str, answer: Answer) -> list[str]:
    """A line of the table."""
    tested = [f"{answer['accuracy']:.4f}", f"{answer['low']:.4f} to {answer['high']:.4f}"]
    return [
        name,
        number(answer["wall_seconds"]),
        str(answer["trials"]),
        f"{answer['best']:.4f}",
        *tested,
    ]


def on_mnist(
    name: str, parts: str, options: Options, accuracy: tuple[float, float], minutes: float
) -> Result:
    """A recipe on MNIST, all parts of it, against the test accuracy (must and aim, in %) and the
    time it is to keep.
    """
    with folder() as directory:
        answer = carried_out(name, "mnist", options, directory)
    return Result(
        title=f"Recipe {name}",
        method=METHOD,
        findings=[
            Finding("test accuracy", answer["accuracy"] * 100, *accuracy, "%"),
            Finding("time", answer["wall_seconds"] / 60, minutes, None, "min", "lower"),
        ],
        headings=HEADINGS,
        rows=[row(parts, answer)],
    )
