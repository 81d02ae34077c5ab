"""Ready-made studies, and the registry by which the terminal finds them.

A recipe is a module of this package: a docstring that says what it does and what to expect, and one
function for each part, ``part(run: RecipeRun) -> None``, named after the part. It uses only the
public interface (``import paceline``), so each is also an example of how to use Paceline; shared
code for tables, figures and forecasts is in `paceline.recipes.writing` and
`paceline.recipes.forecast`. Recipes may import Keras at the top: listing and showing them does not
import them.
"""

import ast
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import paceline

__all__ = ["RECIPES", "Recipe", "RecipeRun", "recipe"]


def _defaults(space: paceline.Space) -> Mapping[str, Any]:
    return space.default()


@dataclass(frozen=True, slots=True)
class RecipeRun:
    """Arguments of a part of a recipe.

    Attributes:
        directory: of the part: its study, or several in subdirectories, and further files. Other
            parts have sibling directories with their names.
        data: the data set, as `paceline.tune` takes it.
        data_dir: where to look for named data sets first; None for the default places.
        budget: seconds of wall time for this part; None for no limit.
        quick: whether to finish in under a minute with few rows and trials, for a first look: the
            figures are then meaningless.
        seed: of everything random.
        choose: asks the user for a configuration of a space, and checks it; raises EOFError at the
            end of input.
        say: prints a line for the user.
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
            InvalidInput: the part has not been run.
        """
        directory = self.directory.parent / part
        try:
            return paceline.load_study(directory)
        except paceline.InvalidInput:
            raise paceline.InvalidInput(
                f"part {self.directory.name} needs a search, and there is none in {directory}",
                expected=f"part {part} to have been run",
            ) from None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe, as listed.

    Attributes:
        name: as typed; the module's name with ``-`` for ``_``.
        title: a short description.
        parts: names of its parts, in the order in which they are run.
        data: the data sets it is made for, the default one first.
        asks: the part that asks for hyperparameters, or takes them from ``--set``; None if no part
            does.
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
        """The module's docstring."""
        return ast.get_docstring(ast.parse(self.text)) or ""

    def part(self, name: str) -> Callable[[RecipeRun], None]:
        """The function of a part.

        Raises:
            InvalidInput: no such part.
        """
        if name not in self.parts:
            raise paceline.InvalidInput(
                f"{self.name} has no part {name!r}", expected=f"one of {', '.join(self.parts)}"
            )
        function: Callable[[RecipeRun], None] = getattr(
            import_module(f"{__name__}.{self._module}"), name
        )
        return function

    @property
    def _module(self) -> str:
        return self.name.replace("-", "_")


_RECIPES = (
    Recipe(
        "kmnist-mlp",
        "cursive Japanese characters: eight given networks, your own, all of 1,296, and a search "
        "instead of all",
        ("predefined", "yours", "exhaustive", "smart"),
        ("kmnist", "fashion_mnist", "kmnist_mini", "mnist"),
        asks="yours",
    ),
    Recipe(
        "mnist-methods",
        "grid, random and Bayesian search with the same budget",
        ("grid", "random", "bayesian", "compare"),
        ("mnist", "fashion_mnist", "kmnist", "kmnist_mini"),
    ),
    Recipe(
        "mnist-cnn",
        "a convolutional network tuned by random and Bayesian search, compared with the default",
        ("random", "bayesian", "winner"),
        ("mnist", "fashion_mnist", "kmnist", "kmnist_mini"),
    ),
    Recipe(
        "mnist-ladder",
        "the effect of each technique: one network, changed in one thing at a time",
        ("ladder",),
        ("mnist", "fashion_mnist", "kmnist", "kmnist_mini"),
    ),
    Recipe(
        "california-methods",
        "five methods of tuning a network for a table, what each needs, and which to use when",
        ("methods", "winner", "guide"),
        ("california_housing",),
    ),
)

RECIPES: Mapping[str, Recipe] = {one.name: one for one in _RECIPES}
"""The recipes by name."""


def recipe(name: str) -> Recipe:
    """Finds a recipe by its name.

    Raises:
        InvalidInput: unknown name.
    """
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, n=1)
        fix = f"Did you mean {close[0]!r}?" if close else ""
        raise paceline.InvalidInput(
            f"there is no recipe {name!r}", expected=f"one of {', '.join(RECIPES)}", fix=fix
        )
    return RECIPES[name]
