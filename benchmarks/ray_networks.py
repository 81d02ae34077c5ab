"""Networks on Ray: two nodes of one core against one process with two."""

from benchmarks.measure import Answer, Options, Spread, ask
from benchmarks.report import Finding, Result

METHOD = """The built-in MLP on digits (1,797 rows), {trials} configurations of {epochs} epochs,
random search, all trained to their end: from the start of the first trial to the end of the last
one, compiling included, each side with an empty cache. One process with two cores
(`executor=None`), and two nodes of a Ray cluster on this machine with a core each."""


def run(options: Options) -> Result:
    trials, epochs = (8, 2) if options.quick else (64, 20)

    def side(part: str) -> list[Answer]:
        request = {"part": part, "trials": trials, "epochs": epochs}
        return [
            ask("paceline", "benchmarks.ours.ray_networks", request) for _ in range(options.repeats)
        ]

    here, there = Spread.of(side("here"), "seconds"), Spread.of(side("there"), "seconds")
    return Result(
        title="Networks on Ray",
        method=METHOD.format(trials=trials, epochs=epochs),
        findings=[
            Finding(
                "speed on two nodes of one core, of that of one process with two",
                100 * here.median / there.median,
                85.0,
                unit="%",
            ),
        ],
        headings=["what", "seconds"],
        rows=[
            ["one process, two cores", str(here)],
            ["two nodes of one core", str(there)],
        ],
    )
