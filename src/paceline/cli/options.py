"""The options that commands share, and how their texts are read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from paceline.core import Value
    from paceline.space import Choice

BuildArgument = Annotated[
    str | None,
    typer.Argument(metavar="[MODEL.PY:BUILD]", help="A Python file and its function build(hp)."),
]
Model = Annotated[
    str | None,
    typer.Option(help="A built-in network in the place of a build function: mlp or cnn."),
]
KnownBuild = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL.PY:BUILD", help="The build function, where the study does not know it."
    ),
]
KnownData = Annotated[
    str | None, typer.Option(help="The data, where the study does not know them.")
]
Data = Annotated[
    str | None, typer.Option(help="A named data set (see `paceline data`), or a file or folder.")
]
Objective = Annotated[
    str | None,
    typer.Option(
        metavar="METRIC[:min|max]", help="What to optimise, as Keras logs it, such as val_accuracy."
    ),
]


def _study(text: str) -> Path:
    """The directory of a study, refused where it cannot be one."""
    from paceline.core import InvalidInput
    from paceline.store import study_directory

    try:
        return study_directory(text)
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from None


StudyArgument = Annotated[
    Path, typer.Argument(help="The study's directory.", parser=_study, metavar="DIRECTORY")
]
Study = Annotated[
    Path | None,
    typer.Option(
        help="The directory to keep everything in.  [default: a new one in runs/]",
        parser=_study,
        metavar="DIRECTORY",
    ),
]
Trials = Annotated[int | None, typer.Option(help="How many trials in total.")]
Budget = Annotated[str | None, typer.Option(metavar="TIME", help="How long: 90s, 5m, 1h30m.")]
Seed = Annotated[
    int | None, typer.Option(help="Makes everything random repeatable.  [default: drawn]")
]
Validation = Annotated[float, typer.Option(help="Fraction of the rows to validate on.")]
ValidationBatchSize = Annotated[
    int | None, typer.Option(help="Rows in a validation batch.  [default: as in a training batch]")
]
Patience = Annotated[
    int | None, typer.Option(help="Epochs without improvement after which a trial is complete.")
]
Keep = Annotated[
    str, typer.Option(help="Whose weights and score count: the last or the best epoch's.")
]
Memory = Annotated[
    str | None, typer.Option(help="What networks side by side may take, such as 8GiB.")
]
ClassWeight = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS=WEIGHT,...|balanced",
        help="Weight of each class in the loss, such as no=1,yes=5; or balanced.",
    ),
]
Shuffle = Annotated[
    bool | None,
    typer.Option(
        "--shuffle/--no-shuffle",
        help="Draw test and validation rows by chance, or take the last ones.  [default: draw]",
    ),
]
Standardize = Annotated[
    bool | None,
    typer.Option(
        "--standardize/--no-standardize", help="Shift and scale inputs.  [default: those of tables]"
    ),
]
ScaleTarget = Annotated[
    bool | None,
    typer.Option(
        "--scale-target/--no-scale-target",
        help="Learn a regression target scaled.  [default: far from 0 ± 1]",
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        metavar="MARK", help="What stands before the fraction in a CSV: , or .  [default: found]"
    ),
]
Repeats = Annotated[
    int, typer.Option(help="Train each configuration so often, on other seeds and splits.")
]
Folds = Annotated[
    int | None, typer.Option(help="Cross-validate each configuration in so many folds.")
]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="The column whose groups stay together in every division of rows."
    ),
]
Final = Annotated[
    str,
    typer.Option(
        metavar="auto|strict|off|N",
        help="Fresh trainings of each finalist after the search: the winner is who is best there.",
    ),
]
Prefer = Annotated[
    str | None, typer.Option(help="Of tied finalists the small or the fast one wins.")
]
Refit = Annotated[
    bool | None,
    typer.Option(
        "--refit/--no-refit",
        help="Train the winner anew on training and validation data.  [default: after a final]",
    ),
]
KeepModels = Annotated[
    int | None,
    typer.Option(metavar="K", help="Keep the trained networks of the K best trials.  [default: 1]"),
]
Schedule = Annotated[
    str, typer.Option(help="Who goes on: auto, full, median, halving, hyperband or asha.")
]
Workers = Annotated[
    int | None,
    typer.Option(help="How many processes call a function objective.  [default: this one]"),
]
TimeLimit = Annotated[
    str | None, typer.Option(metavar="TIME", help="How long one trial of a worker may take.")
]
MemoryLimit = Annotated[
    str | None, typer.Option(help="What one trial of a worker may take, such as 2GiB.")
]
DataDir = Annotated[
    Path | None, typer.Option(help="Where to look for named data sets before any download.")
]
Target = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="The column to predict, for CSV and Parquet files."),
]
Task = Annotated[
    str | None,
    typer.Option(help="classification or regression.  [default: as the target's type says]"),
]
Test = Annotated[str | None, typer.Option(help="The test part: a fraction of the rows, or a file.")]
Display = Annotated[bool, typer.Option(help="Show progress.")]
Watch = Annotated[
    bool,
    typer.Option(
        "--watch",
        help="Serve the live page meanwhile, as `paceline watch` does; it ends with the command.",
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Run the code that the study names, though you have not named it yourself."
    ),
]
ChangeSpace = Annotated[
    bool,
    typer.Option(
        "--change-space",
        help="Go on although the space is another one now: a wider range, a choice more, ...",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Value of a hyperparameter; may be repeated."),
]


def build_of(build: str | None, model: str | None) -> str:
    """What to build: ``model.py:build``, or the name of a built-in network.

    Raises:
        InvalidInput: both or neither was given, or the first is of another form.
    """
    from paceline.core import InvalidInput
    from paceline.study.plan.user_code import split_build

    if (build is None) == (model is None):
        which = (
            "neither a build function nor --model"
            if build is None
            else "both a build function and --model"
        )
        raise InvalidInput(
            f"{which} was given", expected="model.py:build, or --model mlp, or --model cnn"
        )
    if build is not None:
        split_build(build)
    return str(build or model)


def data_of(data: str | None) -> str:
    """The data.

    Raises:
        InvalidInput: none were given.
    """
    from paceline.core import InvalidInput

    if data is None:
        raise InvalidInput(
            "no --data was given", expected="a data set", fix="For a first try: --data digits"
        )
    return data


def objective_of(text: str | None) -> Any:
    """``"val_accuracy"`` as it is, ``"val_score:max"`` as a pair."""
    if text is None or ":" not in text:
        return text
    metric, _, direction = text.rpartition(":")
    return metric, direction


def loop_numbers(name: str, text: str) -> "int | Choice":
    """``"32"`` as a number, ``"32,64"`` as a choice between two.

    Raises:
        InvalidInput: anything else.
    """
    from paceline.core import InvalidInput
    from paceline.space import Choice

    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(
            f"{name} is {text!r}",
            expected=f"a whole number of at least 1, or several to choose from: "
            f"--{name.replace('_', '-')} 32,64",
        ) from None
    return numbers[0] if len(numbers) == 1 else Choice(numbers, name=name)


def final_of(text: str) -> Any:
    """``"8"`` as a number, anything else as it is: ``"auto"``, ``"strict"``, ``"off"``."""
    return int(text) if text.isdigit() else text


def pairs(given: list[str] | None) -> dict[str, str]:
    """``["units=64"]`` as ``{"units": "64"}``.

    Raises:
        InvalidInput: one of another form, or a name given twice.
    """
    from paceline.core import InvalidInput

    found: dict[str, str] = {}
    for pair in given or []:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not name or not value:
            raise InvalidInput(
                f"--set is {pair!r}", expected="NAME=VALUE, such as --set learning_rate=0.001"
            )
        if name in found:
            raise InvalidInput(f"--set gives {name} twice", expected="each hyperparameter once")
        found[name] = value
    return found


def class_weights(text: str | None) -> dict[str, float] | str | None:
    """``"no=1,yes=5"`` as ``{"no": 1.0, "yes": 5.0}``; ``"balanced"`` as it is.

    Raises:
        InvalidInput: anything else, or a class given twice.
    """
    from paceline.core import InvalidInput

    if text is None or text.strip() == "balanced":
        return text and text.strip()
    given = [pair.rpartition("=") for pair in text.split(",")]
    try:
        weights = {name.strip(): float(weight) for name, _, weight in given if name.strip()}
    except ValueError:
        weights = {}
    if len(weights) < len(given):
        raise InvalidInput(
            f"--class-weight is {text!r}",
            expected="each class once with its weight, such as --class-weight 0=1,1=5, or balanced",
        )
    return weights


def value_of(text: str) -> "Value":
    """What was typed, where it is not known what was meant: ``"3"``, ``"0.5"`` and ``"yes"`` are
    not texts.
    """
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return {"yes": True, "true": True, "no": False, "false": False}.get(text.lower(), text)


def data_options(
    data_dir: Path | None, target: str | None, task: str | None, test: str | None, **others: Any
) -> dict[str, Any]:
    """Those of the data options that were given."""
    options: dict[str, Any] = {"data_dir": data_dir, "target": target, "task": task, **others}
    if test is not None:
        options["test"] = _fraction_or_path(test)
    return {name: value for name, value in options.items() if value is not None}


def study_of(study: Path | None, name: str) -> Path:
    """The directory asked for, or the first that is free of ``runs/name``, ``runs/name-2``, ..."""
    if study is not None:
        return study
    stem = Path(name).name.split(".")[0] or "study"
    first = Path("runs") / stem
    return next(
        path
        for path in (first, *(Path(f"{first}-{i}") for i in range(2, 10_000)))
        if not path.exists()
    )


def _fraction_or_path(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
