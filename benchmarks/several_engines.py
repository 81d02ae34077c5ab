"""Networks in two processes of one core each, against one process with two cores; a killed one."""

from benchmarks.measure import Answer, Options, Spread, ask
from benchmarks.report import Finding, Result

METHOD = """{trials} trials of small networks (a space of 1 or 2 hidden layers of 16 to 64 units,
and of the learning rate), {epochs} epochs, {rows:,} rows of 20 features, random search, without a
final. One process: the cohorts of `tune`, two cores. Two processes: `executor="processes"`,
`workers=2`, one core each. Both take turns, each in a process of its own, with all programs in the
cache on disk (a run of each before is not counted). Time: from the first start of a trial to the
end of the last one, so that the start of processes is not counted; it is in the table. Killed: from
the end of an engine (SIGKILL) to the first new epoch of one of the trials that it trained."""


def run(options: Options) -> Result:
    """Runs both in turn, then the one whose engine is killed."""
    trials, epochs, rows = (8, 2, 500) if options.quick else (128, 20, 20_000)
    request = {"trials": trials, "epochs": epochs, "rows": rows}
    one, two = [], []
    for count in range(options.repeats + 1):
        answers = _ask({**request, "workers": 0}), _ask({**request, "workers": 2})
        if count:
            one.append(answers[0])
            two.append(answers[1])
    killed = [_ask({**request, "workers": 2, "kill": True}) for _ in range(options.repeats)]
    inside, outside = Spread.of(one, "seconds"), Spread.of(two, "seconds")
    again = Spread.of(killed, "again")
    equal = all(answer["scores"] == one[0]["scores"] for answer in (*one, *two, *killed))
    share = 100 * inside.median / outside.median
    return Result(
        title="Networks in several processes",
        method=METHOD.format(trials=trials, epochs=epochs, rows=rows),
        findings=[
            Finding("2 processes of one core against 2 cores of one", share, 85.0, unit="%"),
            Finding("killed engine", again.median, 10.0, unit="s", better="lower"),
            Finding("scores equal, also with a killed engine", 100.0 * equal, 100.0, unit="%"),
        ],
        headings=["what", "one process", "two processes"],
        rows=[
            ["first start to last end, s", str(inside), str(outside)],
            [
                "call of tune to first start, s",
                str(Spread.of(one, "start")),
                str(Spread.of(two, "start")),
            ],
            ["killed engine until its trials train again, s", "", str(again)],
        ],
    )


def _ask(request: Answer) -> Answer:
    return ask("paceline", "benchmarks.ours.several_engines", request)
