"""The commands of recipes: ``recipe list``, ``recipe show`` and ``recipe run``."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo
from paceline.cli.search import interruptible
from paceline.cli.verbosity import LoggedCommand

if TYPE_CHECKING:
    from paceline.core import Value
    from paceline.recipes import Recipe, RecipeRun
    from paceline.space import Space

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run well-known exercises as complete studies.",
)
Name = Annotated[str, typer.Argument(help="The recipe's name, see `paceline recipe list`.")]
Parts = Annotated[
    list[str] | None, typer.Option(help="A part to run; may be repeated.  [default: all of them]")
]
Data = Annotated[str | None, typer.Option(help="Another data set.  [default: the recipe's own]")]
Budget = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="How long the parts may take together: 90s, 5m, 1h30m."),
]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="Under a minute, on few rows and trials: to see how it works."),
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A hyperparameter, in the place of questions; may be repeated. Others are at their "
        "defaults.",
    ),
]


@app.command("list")
def list_recipes() -> None:
    """List the recipes and their parts."""
    from paceline.recipes import RECIPES

    for recipe in RECIPES.values():
        echo(f"{recipe.name}: {recipe.title}")
        echo(f"  parts: {', '.join(recipe.parts)}; data: {', '.join(recipe.data)}")
    echo("Read one with `paceline recipe show NAME`, run it with `paceline recipe run NAME`.")


@app.command()
def show(name: Name) -> None:
    """Show what a recipe does, and its source: an example to start from."""
    from paceline.recipes import recipe

    found = recipe(name)
    echo(f"{found.docstring}\n\n{'-' * 100}\n{found.text}", nl=False)


@app.command(cls=LoggedCommand)
def run(
    name: Name,
    part: Parts = None,
    data: Data = None,
    budget: Budget = None,
    quick: Quick = False,
    study: o.Study = None,
    given: Given = None,
    seed: Annotated[int, typer.Option(help="Makes everything random repeatable.")] = 1,
    data_dir: o.DataDir = None,
    display: o.Display = True,
) -> None:
    """Run a recipe, or some of its parts.

    Run again, it resumes where it stopped.
    """
    from paceline.core import parse_seconds
    from paceline.recipes import RecipeRun, recipe

    found = recipe(name)
    parts, texts = _parts(found, part), o.pairs(given)
    if texts and parts != [found.asks]:
        _refuse_set(found)
    seconds, began = None if budget is None else parse_seconds(budget, "--budget"), time.monotonic()
    data = data or found.data[0]
    directory = study or _directory(found, data, quick)
    if quick:
        echo(
            "This is the quick form, on few rows and trials: its figures show how it works, not "
            "how good it is."
        )
    for each in parts:
        left = None if seconds is None else seconds - (time.monotonic() - began)
        echo(f"== {found.name} {each} on {data}, in {directory / each}")
        order = RecipeRun(
            directory / each,
            data,
            data_dir,
            left,
            quick,
            seed,
            lambda space: _choose(space, texts),
            display="auto" if display else False,
        )
        _carry_out(found, each, order)


def _carry_out(recipe: "Recipe", part: str, order: "RecipeRun") -> None:
    """Runs a part of a recipe; its output is also kept with its study."""
    from dataclasses import replace

    from paceline.report.continuation import interruptible_runs

    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        echo(line)

    try:
        with interruptible(), interruptible_runs(order.directory):
            recipe.part(part)(replace(order, say=say))
    except EOFError:
        echo(
            "\nThe input ended before every question was answered, so nothing was trained.",
            err=True,
        )
    if lines and order.directory.is_dir():
        heading = f"{recipe.name} {part} on {order.data}{', quick form' if order.quick else ''}"
        (order.directory / "summary.txt").write_text(
            "\n".join([heading, "", *lines, ""]), encoding="utf-8"
        )


def _parts(recipe: "Recipe", asked: list[str] | None) -> list[str]:
    from paceline.core import InvalidInput

    unknown = [part for part in asked or () if part not in recipe.parts]
    if unknown:
        raise InvalidInput(
            f"--part is {unknown[0]!r}", expected=f"one of {', '.join(recipe.parts)}"
        )
    return [part for part in recipe.parts if not asked or part in asked]


def _directory(recipe: "Recipe", data: str, quick: bool) -> Path:
    """The same for the same command, so that a second run continues."""
    other = "" if data == recipe.data[0] else f"-{Path(data).stem}"
    return Path("runs") / f"{recipe.name}{other}{'-quick' if quick else ''}"


def _choose(space: "Space", texts: Mapping[str, str]) -> "Mapping[str, Value]":
    """A configuration from the options or, without any, from the answers to questions."""
    from paceline.cli.single import choose

    return choose(space, texts, None if texts else _ask)


def _ask(question: str, default: str) -> str:
    """Reads an answer from standard input; an empty one is the default.

    Raises:
        EOFError: the input ended.
    """
    echo(f"{question} [{default}]: ", nl=False, err=True)
    return input().strip() or default


def _refuse_set(recipe: "Recipe") -> Any:
    from paceline.core import InvalidInput

    if recipe.asks is None:
        raise InvalidInput(
            "--set was given",
            expected=f"no --set: no part of {recipe.name} asks for hyperparameters",
        )
    raise InvalidInput(
        "--set was given",
        expected=f"it together with --part {recipe.asks}, the only part that asks",
    )
