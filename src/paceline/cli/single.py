"""The command that trains one configuration: ``train``."""

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo
from paceline.cli.search import interruptible
from paceline.cli.settings_options import DATA, given, takes_settings

if TYPE_CHECKING:
    from paceline.core import Value
    from paceline.space import Space


@takes_settings(
    (
        *DATA,
        "epochs",
        "batch_size",
        "validation_batch_size",
        "steps_per_epoch",
        "validation_steps",
        "seed",
        "validation",
        "patience",
        "keep",
        "class_weight",
        "memory",
    )
)
def train(
    build: o.BuildArgument = None,
    model: o.Model = None,
    data: o.Data = None,
    fixed: o.Set = None,
    objective: o.Objective = None,
    study: o.Study = None,
    display: o.Display = True,
    **settings: Any,
) -> None:
    """Train one configuration.

    It is measured on validation and test data.

    On a terminal it asks for each hyperparameter that is not --set; elsewhere these are at their
    defaults.
    """
    from paceline.callbacks import callbacks_of
    from paceline.report import read, text
    from paceline.report.continuation import interruptible as explained
    from paceline.report.terminal import console
    from paceline.search import Given
    from paceline.study import carry_out, define
    from paceline.study.plan.network_plan import plan_networks

    what, data, texts = o.build_of(build, model), o.data_of(data), o.pairs(fixed)
    directory = o.study_of(study, f"train-{o.place_of(data).rsplit('/')[-1]}")
    if (directory / "study.db").exists():
        _refuse(str(directory))
    definition = define(
        {
            "build": what,
            "data": data,
            "objective": o.objective_of(objective) or (None if model else "val_loss"),
            "trials": 1,
            "search": "grid",
            "final": "off",
            **given(settings),
        },
        directory,
    )
    with interruptible(), explained(directory):
        echo("Loading data and trying build(hp) ...", err=True)
        plan = plan_networks(definition)
        config = choose(
            plan.space, texts, _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
        )
        opening = "Preparing the network ..."
        with callbacks_of((), display, opening=opening, report=False) as observer:
            carry_out(plan.searching(Given((config,))), directory, observer)
    text.single(read(directory), console())


def choose(
    space: "Space", texts: Mapping[str, str], ask: Callable[[str, str], str] | None
) -> "dict[str, Value]":
    """A configuration from given values, answers to questions, and the defaults.

    Args:
        space: the search space.
        texts: the given values.
        ask: shows a question and a default, and returns the answer; None to ask nothing.

    Raises:
        InvalidInput: an unknown hyperparameter, or a value that is not legal.
    """
    from paceline.core import InvalidInput
    from paceline.report import words
    from paceline.study.plan.user_code import legal_value, legal_values

    values = legal_values(space, texts)
    for name in space.names if ask is not None else ():
        hyperparameter = next(
            (h for h in space.active(space.complete(values)) if h.name == name), None
        )
        while ask and hyperparameter and name not in values and hyperparameter.num_values != 1:
            answer = ask(
                f"{name} ({words.possible(hyperparameter)})", words.value(hyperparameter.default)
            )
            try:
                values[name] = legal_value(hyperparameter, answer)
            except InvalidInput as error:
                echo(f"{error}", err=True)
    idle = [name for name in texts if name not in space.complete(values)]
    if idle:
        conditions = space.variants(idle[0])[0].conditions
        needed = " and ".join(
            f"{c.parent} to be {' or '.join(map(str, c.values))}" for c in conditions
        )
        raise InvalidInput(
            f"--set gives {idle[0]}, which has no meaning in this configuration", expected=needed
        )
    return space.complete(values)


def _ask(question: str, default: str) -> str:
    answer: Any = typer.prompt(question, default=default, err=True)
    return str(answer)


def _refuse(directory: str) -> None:
    from paceline.core import InvalidInput

    raise InvalidInput(
        f"--study is {directory}, which contains a study already", expected="a new directory"
    )
