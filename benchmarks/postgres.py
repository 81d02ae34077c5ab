"""What search and store cost per trial with the study in PostgreSQL, alone and with fifty readers.

It starts a server of its own on this machine; PostgreSQL's programs have to be installed.
"""

import uuid

from tests.store.postgres_server import Server, programs

from benchmarks.measure import Answer, Options, Spread, ask, in_turn
from benchmarks.report import Finding, Result

READERS = 50

METHOD = """{trials:,} trials of an objective that costs nothing, five hyperparameters, random
search: wall time of asking and storing, divided by the number of trials; one trial at a time, with
a transaction when it is asked for and one when it has ended. PostgreSQL: a server of its own on
this machine, with its defaults, so that transactions reach the disk. Readers: {readers} connections
of another process on the same machine, each of which asks once a second for what is new and reads
it, as a live page does. What one pair of runs says is the ratio of their times; the figure is the
median over the pairs."""


def run(options: Options) -> Result:
    trials, readers = (100, 3) if options.quick else (10_000, READERS)
    found = programs()
    if found is None:
        raise RuntimeError("no PostgreSQL server is installed")
    server = Server(found, is_durable=True)

    def side(store: str, readers: int, repeat: int) -> Answer:
        study = "sqlite" if store == "sqlite" else f"{server.dsn()}/{uuid.uuid4().hex}"
        request = {"store": study, "trials": trials, "seed": repeat + 1, "together": 1}
        return ask("paceline", "benchmarks.ours.postgres", {**request, "readers": readers})

    try:
        answers = in_turn(
            {
                "SQLite": (options.repeats, lambda repeat: side("sqlite", 0, repeat)),
                "PostgreSQL": (options.repeats, lambda repeat: side("postgres", 0, repeat)),
                f"PostgreSQL, {readers} readers": (
                    options.repeats,
                    lambda repeat: side("postgres", readers, repeat),
                ),
            }
        )
    finally:
        server.end()
    cost = {name: Spread.of(one, "milliseconds") for name, one in answers.items()}
    cpu = {name: Spread.of(one, "cpu_milliseconds") for name, one in answers.items()}
    _, alone, beside = cost.values()
    pairs = zip(alone.values, beside.values, strict=True)
    slower = Spread(tuple(100 * (b / a - 1) for a, b in pairs))
    return Result(
        title="Studies in PostgreSQL",
        method=METHOD.format(trials=trials, readers=readers),
        findings=[
            Finding(
                f"per trial at {trials:,} trials", alone.median, 2.0, unit="ms", better="lower"
            ),
            Finding(f"slower with {readers} readers", slower.median, 5.0, unit="%", better="lower"),
        ],
        headings=["side", "ms per trial", "processor time of the writer, ms per trial"],
        rows=[
            *([name, str(spread), str(cpu[name])] for name, spread in cost.items()),
            ["difference with readers, %", str(slower), ""],
        ],
    )
