"""The commands that only read: ``show``, ``list`` and ``data``."""

from typing import TYPE_CHECKING, Annotated

import typer

from paceline.cli import options as o

if TYPE_CHECKING:
    from paceline.data import DatasetInfo
    from paceline.report.listing import Listed


def show(
    study: o.StudyArgument,
    trial: Annotated[
        int | None,
        typer.Option(metavar="N", help="One trial: its course, and the reason for each decision."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as one JSON object.")
    ] = False,
) -> None:
    """Show the state of a study.

    While it runs, after it ended, and after it was killed.
    """
    from paceline.report import read, text
    from paceline.report.terminal import console

    summary = read(study)
    if as_json:
        import json

        typer.echo(json.dumps(summary.to_json(), allow_nan=False, indent=2))
        return
    if trial is not None:
        text.trial(summary, trial, console())
    else:
        text.show(summary, console())


def list_studies(
    where: Annotated[
        str,
        typer.Argument(
            help="A folder of studies, or a database: postgresql://host/database",
            metavar="WHERE",
        ),
    ] = "runs",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as a list of JSON objects.")
    ] = False,
) -> None:
    """List the studies of a folder or a database.

    Their states, numbers of trials, best scores and times.
    """
    from paceline.report.listing import studies_in

    found = list(studies_in(where))
    if as_json:
        import json

        typer.echo(json.dumps([_json_of(one) for one in found], allow_nan=False, indent=2))
    elif found:
        _table_of_studies(found)
    else:
        typer.echo("There are no studies.")


def _json_of(one: "Listed") -> dict[str, object]:
    if one.summary is None:
        return {"study": one.study, "error": one.error}
    whole = one.summary.to_json()
    kept = ("directory", "state", "reason", "objective", "data", "best", "seconds")
    num = {"num_trials": len(one.summary.record.trials)}
    return {"study": one.study, **{name: whole[name] for name in kept}, **num}


def _table_of_studies(found: "list[Listed]") -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from paceline.report import words
    from paceline.report.terminal import console

    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("study", "state", "trials", "best", "time"):
        right = heading in ("trials", "time")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for one in found:
        if one.summary is None:
            table.add_row(escape(one.study), "cannot be read", "", escape(one.error), "")
            continue
        record, best, score = one.summary.record, one.summary.record.best, ""
        if best is not None and best.score is not None:
            score = f"{record.objective.metric} {words.number(best.score)}"
        trials = f"{record.num_ended():,}"
        seconds = words.duration(one.summary.seconds)
        table.add_row(escape(one.study), one.summary.state, trials, escape(score), seconds)
    console().print(table)


def data(
    data_dir: o.DataDir = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as a list of JSON objects.")
    ] = False,
) -> None:
    """List the named data sets and their locations."""
    from paceline.data import describe, source_names

    known = describe(data_dir)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(info) for info in known], allow_nan=False, indent=2))
        return
    _table(known)
    if others := sorted(set(source_names()) - {"folder", *(info.name for info in known)}):
        typer.echo(f"From installed packages: {', '.join(others)}.")


def _table(known: "list[DatasetInfo]") -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from paceline.report.terminal import console

    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("name", "what", "rows", "test rows", "input", "task", "where"):
        table.add_column(heading, justify="right" if "rows" in heading else "left")
    for info in known:
        shape = "×".join(map(str, info.shape))
        where = info.found or "not on this machine; downloaded at first use"
        table.add_row(
            info.name,
            escape(info.title),
            f"{info.rows:,}",
            f"{info.test_rows:,}",
            shape,
            info.task,
            escape(where),
        )
    console().print(table)
    typer.echo(
        "Also, by their path: folders of idx files, .npz files, and with --target .csv and "
        ".parquet files; folder:PATH for images in one folder for each class."
    )
