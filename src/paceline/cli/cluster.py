"""The command that shows a Ray cluster."""

from typing import TYPE_CHECKING, Annotated

import typer

from paceline.cli.echo import echo

if TYPE_CHECKING:
    from paceline.execute.ray.overview import NodeOverview, WorkerOverview


def cluster(
    address: Annotated[
        str,
        typer.Option(help="The cluster: HOST:PORT, or auto for the one that runs here."),
    ] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as one JSON object.")
    ] = False,
) -> None:
    """Show a Ray cluster: its nodes, and Paceline's workers."""
    from paceline.core import process_state
    from paceline.execute.ray.overview import overview
    from paceline.settings.execution import ray_address

    with process_state.preserved():
        found = overview(ray_address("--address", address))
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(one) for one in found], allow_nan=False, indent=2))
        return
    for one in found:
        for line in _lines(one):
            echo(line)


def _lines(found: "NodeOverview") -> list[str]:
    head = "waiting for room" if found.node is None else str(found.node)
    return [head, *(f"  {_line(worker)}" for worker in found.workers)] + (
        [] if found.workers else ["  no worker of Paceline"]
    )


def _line(worker: "WorkerOverview") -> str:
    if worker.kind == "starting":
        return "a worker, which has not started"
    trials = f"trial{'s' if len(worker.trials) != 1 else ''} {', '.join(map(str, worker.trials))}"
    does = f"{trials} for {worker.seconds:,.0f} s" if worker.trials else "idle"
    lanes = f" in a model of {worker.lanes} lanes" if worker.trials and worker.lanes > 1 else ""
    return f"{worker.kind} {worker.name}: {does}{lanes}, {worker.memory / 2**20:,.0f} MiB"
