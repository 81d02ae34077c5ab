"""Options that several commands share, and the parsing of their values."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    pass

BuildArgument = Annotated[
    str | None,
    typer.Argument(metavar="[MODEL.PY:BUILD]", help="A Python file and its function build(hp)."),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="A built-in network in place of a build function: mlp, cnn, resnet, transformer, lstm "
        "or tabular."
    ),
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
    """The directory of a study; refused if it cannot be one."""
    from paceline.core import InvalidInput
    from paceline.store import study_directory

    try:
        return study_directory(text)  # a URL too
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from None


StudyArgument = Annotated[
    Path, typer.Argument(help="The study: its directory or URL.", parser=_study, metavar="STUDY")
]
Study = Annotated[
    Path | None,
    typer.Option(
        help="The directory to keep everything in, or postgresql://host/database/name.  [default: "
        "a new one in runs/]",
        parser=_study,
        metavar="STUDY",
    ),
]
DataDir = Annotated[
    Path | None, typer.Option(help="Where to look for named data sets before any download.")
]
Display = Annotated[bool, typer.Option(help="Show progress.")]
Callback = Annotated[
    list[str] | None,
    typer.Option(
        "--callback",
        metavar="NAME",
        help="A callback, such as csv, which writes trials.csv; may be repeated.",
    ),
]
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
        help="Continue although the space has changed: a wider range, another choice, ...",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Value of a hyperparameter; may be repeated."),
]


def build_of(build: str | None, model: str | None) -> str:
    """The argument ``build``: ``model.py:build``, or the name of a built-in network.

    Raises:
        InvalidInput: both or neither was given, or the first has another form.
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
            f"{which} was given", expected="model.py:build, or a network: --model mlp"
        )
    if build is not None:
        split_build(build)
    return str(build or model)


def data_of(data: str | None) -> str:
    """The argument ``data``.

    Raises:
        InvalidInput: it was not given.
    """
    from paceline.core import InvalidInput

    if data is None:
        raise InvalidInput(
            "no --data was given", expected="a data set", fix="For a first try: --data digits"
        )
    return data


def objective_of(text: str | None) -> Any:
    """Parses an objective: ``"val_accuracy"`` as it is, ``"val_score:max"`` as a pair."""
    if text is None or ":" not in text:
        return text
    metric, _, direction = text.rpartition(":")
    return metric, direction


def pairs(given: list[str] | None) -> dict[str, str]:
    """Parses ``["units=64"]`` as ``{"units": "64"}``.

    Raises:
        InvalidInput: a text of another form, or a name given twice.
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


def place_of(data: str) -> str:
    """The file or folder of data: ``"photos"`` of ``"folder:photos?size=96"``; names unchanged."""
    name, colon, place = data.partition(":")
    return place.partition("?")[0] if colon and name.isidentifier() else data


def study_of(study: Path | None, name: str) -> Path:
    """The given directory, or the first unused one of ``runs/name``, ``runs/name-2``, ..."""
    if study is not None:
        return study
    stem = Path(name).name.split(".")[0] or "study"
    first = Path("runs") / stem
    return next(
        path
        for path in (first, *(Path(f"{first}-{i}") for i in range(2, 10_000)))
        if not path.exists()
    )
