"""How exactly a study keeps to its time."""

from benchmarks import arrays
from benchmarks.measure import Answer, Options, ask, folder, number
from benchmarks.report import Finding, Result

RUNS = 5

METHOD = """`paceline.tune(..., budget="{budget:g}s")`, random search of the digits space (layers,
units, activation, optimizer, learning rate, weight decay, batch size, 5 or 10 epochs), {runs} runs
with other seeds, each in a process of its own with an empty cache: wall time from the call to its
return, which includes trying `build`, compiling, and testing and saving the best model. The
deviation counts either way: time left over is time that was not searched."""


def run(options: Options) -> Result:
    budget, runs = (4.0, 1) if options.quick else (20.0, RUNS)
    with folder() as directory:
        path = directory / "data.npz"
        if options.quick:
            data = arrays.write_made_up(path, (64,), 640, classes=10)
        else:
            data = arrays.write_named("digits", path, rows=1200)
        request = {
            "space": "digits",
            "data": str(data),
            "budget": budget,
            "epochs": None,
            "batch_size": None,
        }
        answers = [
            ask("paceline", "benchmarks.ours.budget", {**request, "seed": run + 1})
            for run in range(runs)
        ]
    deviations = [_percent(answer, budget) for answer in answers]
    return Result(
        title="Keeping to a time budget",
        method=METHOD.format(budget=budget, runs=runs),
        findings=[
            Finding(
                f"largest deviation of {runs} runs",
                max(map(abs, deviations)),
                must=5.0,
                unit="%",
                better="lower",
            ),
            Finding("largest overshoot", max(0.0, *deviations), must=5.0, unit="%", better="lower"),
        ],
        headings=["seed", "seconds", "deviation, %", "trials ended"],
        rows=[
            [str(seed), number(answer["seconds"]), f"{deviation:+.1f}", number(answer["trials"])]
            for seed, (answer, deviation) in enumerate(
                zip(answers, deviations, strict=True), start=1
            )
        ],
    )


def _percent(answer: Answer, budget: float) -> float:
    """How much longer it took than it was given; below 0 for less."""
    return 100 * (float(answer["seconds"]) / budget - 1)
