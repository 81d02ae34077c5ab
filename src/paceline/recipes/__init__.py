"""Ready studies that people ask for, and the registry by which the terminal finds them.

A recipe is a module of this folder: a docstring that says what it does and what to expect, and one
function for each part, ``part(run: Run) -> None``, named as the part. It uses only the public
interface (``import paceline``), so each is also an example of how to use Paceline; what all of them
do beside it (tables, pictures, forecasts) is in `paceline.recipes.writing` and
`paceline.recipes.forecast`. Recipes may import Keras at their top: listing and showing them does
not import them.
"""

import ast
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import paceline

__all__ = ["RECIPES", "Recipe", "Run", "recipe"]


def _defaults(space: paceline.Space) -> Mapping[str, Any]:
    return space.default()


@dataclass(frozen=True, slots=True)
class Run:
    """What a part of a recipe is asked to do.

    Attributes:
        directory: of the part: its study, or several in folders of their own, and what it writes
            beside them. Those of a recipe's other parts lie next to it, under their names.
        data: the data set, as `paceline.tune` takes it.
        data_dir: where to look for named data sets first; None for the usual places.
        budget: seconds of wall time that this part may take; None for what it needs.
        quick: whether it is to be done in under a minute, on few rows and trials: the figures mean
            nothing then.
        seed: of everything random.
        choose: asks the user for a configuration of a space, and checks it; raises EOFError at the
            end of input.
        say: tells the user a line.
        display: whether progress is shown; ``"auto"`` on a terminal only.
    """

    directory: Path
    data: str
    data_dir: Path | None = None
    budget: float | None = None
    quick: bool = False
    seed: int = 1
    choose: Callable[[paceline.Space], Mapping[str, Any]] = _defaults
    say: Callable[[str], None] = print
    display: Any = "auto"

    def study_of(self, part: str) -> paceline.Study:
        """The study of another part of the recipe.

        Raises:
            InvalidInput: that part has not been run.
        """
        directory = self.directory.parent / part
        try:
            return paceline.load_study(directory)
        except paceline.InvalidInput:
            raise paceline.InvalidInput(
                f"part {self.directory.name} was asked for and {directory} holds no search",
                expected=f"part {part} to have been run",
            ) from None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as it is listed.

    Attributes:
        name: as typed; the module's name with ``-`` for ``_``.
        title: what it is, in a few words.
        parts: what it can do, in the order in which all of it is run.
        data: the data sets it is made for, the usual one first.
        asks: the part that asks for hyperparameters, or takes them from ``--set``; None where no
            part does.
    """

    name: str
    title: str
    parts: tuple[str, ...]
    data: tuple[str, ...]
    asks: str | None = None

    @property
    def text(self) -> str:
        """The module's source."""
        return Path(__file__).with_name(f"{self._module}.py").read_text(encoding="utf-8")

    @property
    def docstring(self) -> str:
        """What the module says of itself."""
        return ast.get_docstring(ast.parse(self.text)) or ""

    def part(self, name: str) -> Callable[[Run], None]:
        """The function that carries a part out.

        Raises:
            InvalidInput: there is no such part.
        """
        if name not in self.parts:
            raise paceline.InvalidInput(
                f"{self.name} has no part {name!r}", expected=f"one of {', '.join(self.parts)}"
            )
        function: Callable[[Run], None] = getattr(import_module(f"{__name__}.{self._module}"), name)
        return function

    @property
    def _module(self) -> str:
        return self.name.replace("-", "_")


_RECIPES = (
    Recipe(
        "kmnist-mlp",
        "cursive Japanese characters: eight set networks, your own, all of 1,296, and a search in "
        "the place of all",
        ("predefined", "yours", "exhaustive", "smart"),
        ("kmnist", "fashion_mnist", "kmnist_mini", "mnist"),
        asks="yours",
    ),
    Recipe(
        "mnist-methods",
        "grid, random and Bayesian search side by side, with the same budget",
        ("grid", "random", "bayesian", "compare"),
        ("mnist", "fashion_mnist", "kmnist", "kmnist_mini"),
    ),
    Recipe(
        "mnist-cnn",
        "a convolutional network by random and by Bayesian search, beside the default one",
        ("random", "bayesian", "winner"),
        ("mnist", "fashion_mnist", "kmnist", "kmnist_mini"),
    ),
    Recipe(
        "mnist-ladder",
        "what each technique brings: one network, changed in one thing at a time",
        ("ladder",),
        ("mnist", "fashion_mnist", "kmnist", "kmnist_mini"),
    ),
    Recipe(
        "california-methods",
        "five ways to tune a network for a table, with what each took, and which to use when",
        ("methods", "winner", "guide"),
        ("california_housing",),
    ),
)

RECIPES: Mapping[str, Recipe] = {one.name: one for one in _RECIPES}
"""The recipes by name."""


def recipe(name: str) -> Recipe:
    """A recipe by its name.

    Raises:
        InvalidInput: there is none of this name.
    """
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, n=1)
        fix = f"Did you mean {close[0]!r}?" if close else ""
        raise paceline.InvalidInput(
            f"there is no recipe {name!r}", expected=f"one of {', '.join(RECIPES)}", fix=fix
        )
    return RECIPES[name]
