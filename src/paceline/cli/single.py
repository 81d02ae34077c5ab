"""The command that trains one configuration: ``train``."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paceline.cli import options as o
from paceline.cli.echo import echo
from paceline.cli.search import interruptible

if TYPE_CHECKING:
    from paceline.core import Value
    from paceline.space import Space


def train(
    build: o.BuildArgument = None,
    model: o.Model = None,
    data: o.Data = None,
    given: o.Set = None,
    epochs: Annotated[int, typer.Option(help="How many epochs.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Rows in a batch.")] = 32,
    objective: o.Objective = None,
    study: o.Study = None,
    seed: o.Seed = None,
    validation: o.Validation = 0.1,
    patience: o.Patience = None,
    keep: o.Keep = "last",
    data_dir: o.DataDir = None,
    target: o.Target = None,
    task: o.Task = None,
    test: o.Test = None,
    groups: o.Groups = None,
    shuffle: o.Shuffle = None,
    standardize: o.Standardize = None,
    scale_target: o.ScaleTarget = None,
    decimal: o.Decimal = None,
    display: o.Display = True,
) -> None:
    """Train one configuration.

    It is measured on validation and test data.

    On a terminal it asks for each hyperparameter that is not --set; elsewhere these are at their
    defaults.
    """
    from paceline.callbacks import Callbacks, display_callbacks
    from paceline.report import read, text
    from paceline.report.going_on import interruptible as explained
    from paceline.report.terminal import console
    from paceline.search import Given
    from paceline.study import carry_out, make_plan
    from paceline.study.asking import as_request, seed_of
    from paceline.study.bring import SearchChoice

    what, data, texts = o.build_of(build, model), o.data_of(data), o.pairs(given)
    directory = o.study_of(study, f"train-{data.rsplit('/')[-1]}")
    if (directory / "study.db").exists():
        _refuse(str(directory))
    request = as_request(
        what,
        data,
        objective=o.objective_of(objective) or (None if model else "val_loss"),
        trials=1,
        budget=None,
        search="grid",
        seed=seed_of(seed),
        study=directory,
        validation=validation,
        class_weight=None,
        fixed=None,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        keep=keep,
        memory=None,
        data_options=o.data_options(
            data_dir,
            target,
            task,
            test,
            shuffle=shuffle,
            standardize=standardize,
            scale_target=scale_target,
            decimal=decimal,
            groups=groups,
        ),
    )
    with interruptible(), explained(directory):
        echo("Loading data and trying build(hp) ...", err=True)
        plan = make_plan(request)
        config = choose(
            plan.space, texts, _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
        )
        request = replace(plan.request, search=SearchChoice.of(Given((config,)), request.seed))
        with Callbacks(display_callbacks(display, opening="Preparing the network ...")) as observer:
            carry_out(replace(plan, request=request), directory, observer)
    text.single(read(directory), console())


def choose(
    space: "Space", texts: Mapping[str, str], ask: Callable[[str, str], str] | None
) -> "dict[str, Value]":
    """A configuration from what was set, what is asked for and, where nobody is there to ask, the
    defaults.

    Args:
        space: what there is to set.
        texts: what was set.
        ask: shows a question and a default, and gives the answer; None to ask nothing.

    Raises:
        InvalidInput: something was set that is no hyperparameter or no legal value of it.
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
        f"--study is {directory}, which holds a study already", expected="a new directory"
    )
