"""The command that compiles models before a study needs them: ``warm``."""

from typing import TYPE_CHECKING, Any

from paceline.cli import options as o
from paceline.cli.echo import echo
from paceline.cli.search import interruptible
from paceline.cli.settings_options import DATA, given, takes_settings

if TYPE_CHECKING:
    from paceline.execute.warming import WarmProgram


_NONE = "Nothing was compiled: networks of this search train one by one with fit, or fail to build."


@takes_settings(
    (
        *DATA,
        "epochs",
        "batch_size",
        "validation_batch_size",
        "steps_per_epoch",
        "validation_steps",
        "trials",
        "search",
        "schedule",
        "validation",
        "folds",
        "repeats",
        "class_weight",
        "memory",
        "merge",
    )
)
def warm(
    build: o.BuildArgument = None,
    model: o.Model = None,
    data: o.Data = None,
    objective: o.Objective = None,
    fixed: o.Set = None,
    **settings: Any,
) -> None:
    """Compile the models of a search beforehand.

    For a built-in network (--model mlp is the default, on --data digits) or a build function, with
    the data and the options that the search will have: which models are compiled depends on the
    shape of the data, the epochs, the batch size, the search, and roughly on the number of trials.
    All studies on this machine find them. Nothing is trained. Ctrl+C stops it at any time; what was
    compiled is kept. In the background: `nice paceline warm &`. The final after a search still
    compiles models of its own.
    """
    from paceline.api.warming import warm as compiled

    what = o.build_of(build, model or (None if build else "mlp"))
    source = data or ("digits" if build is None else o.data_of(data))
    asked = given(settings)
    if fixed:
        asked["fixed"] = o.pairs(fixed)
    chosen = o.objective_of(objective)
    if chosen is not None:
        asked["objective"] = chosen
    echo(f"Compiling the models of a search with {what} on {source}. Ctrl+C stops it.", err=True)
    found: list[WarmProgram] = []

    def show(program: "WarmProgram") -> None:
        found.append(program)
        echo(f"{len(found):4d}  {_described(program)}")

    try:
        with interruptible():
            compiled(what, source, on_program=show, **asked)
    except KeyboardInterrupt:
        echo(_summary(found))
        raise
    echo(_summary(found) if found else _NONE)


def _described(program: "WarmProgram") -> str:
    values = [f"{k}={v}" for k, v in program.config.items() if not isinstance(v, float)]
    how = f"compiled in {program.seconds:.1f} s" if program.from_scratch else "was compiled before"
    lanes = f"{program.num_lanes} at once" if program.num_lanes > 1 else "one at a time"
    return f"such as {', '.join(values) or 'the default'}: {how} (networks train {lanes})"


def _summary(programs: "list[WarmProgram]") -> str:
    from paceline.train.cache_files import cache_directory

    new = [program for program in programs if program.from_scratch]
    seconds = sum(program.seconds for program in new)
    words = f"{len(new)} model{'' if len(new) == 1 else 's'} compiled in {seconds:.0f} s"
    rest = len(programs) - len(new)
    before = f"; {rest} {'was' if rest == 1 else 'were'} compiled before" if rest else ""
    return f"{words}{before}. They are kept in {cache_directory()}."
