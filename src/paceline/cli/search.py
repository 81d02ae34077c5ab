"""The commands that search: ``demo``, ``tune``, ``resume`` and ``finish``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo
from paceline.cli.settings_options import given, takes_settings
from paceline.cli.watch import watched

CHANGEABLE = (
    "trials",
    "budget",
    "search",
    "schedule",
    "final",
    "prefer",
    "refit",
    "keep_models",
    "executor",
    "address",
    "cpus_per_worker",
    "gpus_per_worker",
    "workers",
    "time_limit",
    "memory_limit",
    "memory",
    "merge",
    "data_dir",
)
"""Settings that may differ when a study continues."""

_DEMO = {"activation": "relu", "batch_norm": "no", "optimizer": "adam", "units": "64"}


def demo(
    study: o.Study = None,
    trials: Annotated[int, typer.Option(help="How many configurations to try.")] = 32,
    epochs: Annotated[str, typer.Option(help="Epochs of each trial.")] = "10",
    display: o.Display = True,
) -> None:
    """Tune a small network on handwritten digits.

    Takes well under a minute, and no download.
    """
    from paceline.settings.typed import loop_numbers

    echo(
        f"{trials} configurations of a small network learn to read handwritten digits. Those that "
        "share a structure train together, as one compiled model.",
        err=True,
    )
    _search(
        o.study_of(study, "demo"),
        "mlp",
        "digits",
        epochs=loop_numbers("epochs", epochs),
        trials=trials,
        seed=1,
        fixed=_DEMO,
        display=display,
    )


@takes_settings()
def tune(
    build: o.BuildArgument = None,
    model: o.Model = None,
    data: o.Data = None,
    objective: o.Objective = None,
    study: o.Study = None,
    fixed: o.Set = None,
    change_space: o.ChangeSpace = False,
    callback: o.Callback = None,
    display: o.Display = True,
    watch: o.Watch = False,
    **settings: Any,
) -> None:
    """Search for the best configuration.

    Of a build function (model.py:build) or a built-in network (--model mlp); without --data, of any
    function of hp that trains and measures by itself and returns a number (train.py:objective).

    Called again with the same arguments and --study, it continues where it stopped.
    """
    from paceline.settings.typed import untyped_value

    what, values = o.build_of(build, model), o.pairs(fixed)
    is_function = data is None and model is None
    name = what.rpartition(":")[2] if is_function else o.data_of(data)
    asked = given(settings)
    if values:
        typed = {name: untyped_value(text) for name, text in values.items()}
        asked["fixed"] = typed if is_function else values
    if change_space:
        asked["change_space"] = True
    asked |= {"callbacks": callback or [], "objective": o.objective_of(objective)}
    _search(o.study_of(study, o.place_of(name)), what, data, display=display, watch=watch, **asked)


@takes_settings(CHANGEABLE)
def resume(
    study: o.StudyArgument,
    build: o.KnownBuild = None,
    data: o.KnownData = None,
    trust: o.Trust = False,
    change_space: o.ChangeSpace = False,
    callback: o.Callback = None,
    display: o.Display = True,
    watch: o.Watch = False,
    **settings: Any,
) -> None:
    """Continue a study.

    One that was interrupted or killed, or a finished one that is to have more trials.
    """
    from paceline import api

    asked = {**given(settings), "callbacks": callback or []}
    if change_space:
        asked["change_space"] = True

    def go(trust: bool) -> None:
        api.resume(study, build, data, display=display, trust=trust, **asked)

    with interruptible(), watched(study, watch):
        asking(go, trust)
    _tell(study)


@takes_settings(
    (
        "data_dir",
        "memory",
        "merge",
        "keep_models",
        "executor",
        "address",
        "cpus_per_worker",
        "gpus_per_worker",
        "workers",
        "prefer",
        "refit",
    )
)
def finish(
    study: o.StudyArgument,
    build: o.KnownBuild = None,
    data: o.KnownData = None,
    trust: o.Trust = False,
    callback: o.Callback = None,
    display: o.Display = True,
    watch: o.Watch = False,
    **settings: Any,
) -> None:
    """End a search here.

    Nothing more is tried: the final evaluates what was measured, and the best model is saved and
    tested. `resume` with more --trials continues all the same.
    """
    from paceline import api

    asked = {**given(settings), "callbacks": callback or []}

    def go(trust: bool) -> None:
        api.finish(study, build, data, display=display, trust=trust, **asked)

    with interruptible(), watched(study, watch):
        asking(go, trust)
    _tell(study)


T = TypeVar("T")


def asking(go: Callable[[bool], T], trust: bool) -> T:
    """Calls a function that may run code named by a study; asks for consent on a terminal.

    Args:
        go: the function; takes whether the code is trusted.
        trust: whether consent was given already.

    Raises:
        InvalidInput: there is no consent.
    """
    from paceline.study.resume.trust import NotTrusted

    try:
        return go(trust)
    except NotTrusted as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        echo(f"{error.passed}. {error.fix}", err=True)
        if not typer.confirm("Run it?", default=False, err=True):
            raise
    return go(True)


@contextmanager
def interruptible() -> Iterator[None]:
    """Lets a second Ctrl+C end the process at once; the first raises an explained error."""
    from paceline.core import interrupts

    with interrupts.handled(interrupts.exit_now):
        yield


def _search(study: Path, build: str, data: str | None, watch: bool = False, **asked: Any) -> None:
    from paceline import api

    with interruptible(), watched(study, watch):
        api.tune(build, data, study=study, **asked)
    _tell(study)


def _tell(study: Path) -> None:
    from paceline.report import read, text
    from paceline.report.terminal import console

    text.result(read(study), console())
