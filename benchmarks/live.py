"""What fifty readers of the live page cost the search, and how soon they see a new trial."""

from benchmarks import arrays
from benchmarks.measure import Answer, Options, Spread, ask, folder, in_turn, number
from benchmarks.report import Finding, Result

READERS = 50

METHOD = """{trials} random trials × {epochs} epochs on made-up data of California Housing's shape
({rows:,} training rows, 8 features; all programs are in the cache already), with the live page
beside the search as `tune --watch` serves it: without a reader and with {readers} of them, in turn,
after one run that is not counted. The readers live in one process on the same machine; each hears
the page's events and fetches what changed, as a browser does, but draws nothing. What one pair of
runs says is the ratio of their times; the figure is the median over {pairs} pairs. A trial's delay
is the time from the writing of its first event until a reader knew of it."""


def run(options: Options) -> Result:
    trials, epochs, rows, pairs = (
        (6, 1, 640, 1) if options.quick else (192, 5, 16_000, 3 * options.repeats)
    )
    with folder() as directory:
        data = str(arrays.write_made_up(directory / "data.npz", (8,), rows, classes=None))
        common = {
            "space": "california",
            "data": data,
            "trials": trials,
            "epochs": epochs,
            "batch_size": 32,
            "seed": 1,
        }

        def side(readers: int, repeat: int) -> Answer:
            study = str(directory / f"study-{readers}-{repeat}")
            request = {**common, "readers": readers, "study": study}
            return ask("paceline", "benchmarks.ours.live", request, cache=directory / "cache")

        side(0, -1)
        answers = in_turn(
            {
                "nobody": (pairs, lambda repeat: side(0, repeat)),
                "many": (pairs, lambda repeat: side(READERS, repeat)),
            }
        )
    nobody, many = (
        Spread.of(answers["nobody"], "search_seconds"),
        Spread.of(answers["many"], "search_seconds"),
    )
    slower = Spread(
        tuple(100 * (b / a - 1) for a, b in zip(nobody.values, many.values, strict=True))
    )
    delays = [delay for answer in answers["many"] for delay in answer["delays"]]
    sent = Spread(tuple(answer["bytes"] / READERS / 1024 for answer in answers["many"]))
    page, idle = (
        Spread.of(answers["many"], "page_cpu_seconds"),
        Spread.of(answers["nobody"], "page_cpu_seconds"),
    )
    return Result(
        title=f"The live page with {READERS} readers",
        method=METHOD.format(trials=trials, epochs=epochs, rows=rows, readers=READERS, pairs=pairs),
        findings=[
            Finding(
                "the search takes longer by", slower.median, must=2.0, unit="%", better="lower"
            ),
            Finding(
                "the longest delay of a trial", max(delays), must=2.0, unit="s", better="lower"
            ),
        ],
        headings=["side", "search, s", "processor time of the page, s", "KiB to each reader"],
        rows=[
            ["nobody reads", str(nobody), str(idle), "-"],
            [f"{READERS} readers", str(many), str(page), str(sent)],
            ["difference, %", str(slower), "", ""],
            [
                "processor time of the readers, s",
                number(Spread.of(answers["many"], "cpu_seconds").median),
                "",
                "",
            ],
        ],
    )
