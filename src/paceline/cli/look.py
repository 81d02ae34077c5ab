"""The commands that only read: ``show`` and ``data``."""

from typing import TYPE_CHECKING, Annotated

import typer

from paceline.cli import options as o

if TYPE_CHECKING:
    from paceline.data import DatasetInfo


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
    if others := sorted(set(source_names()) - {info.name for info in known}):
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
        ".parquet files."
    )
