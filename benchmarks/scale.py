"""What people wait for in a study of 100,000 trials: looking at it, its report, going on with it,
the live page.
"""

import shutil
from pathlib import Path

from benchmarks.measure import Answer, Options, Spread, ask, folder, number
from benchmarks.report import Finding, Result

METHOD = """Two made-up studies of a function with five hyperparameters, {trials:,} random trials
each, written by the package's own store: every trial measured once; and up to 9 steps with two of
three trials stopped after steps 1 and 3. Each figure is the processor time of a whole process from
its start, imports included, n={repeats}; memory is the largest resident size of that process. Going
on trains one more trial and writes the report. The live page's first answer is what a browser is
sent once, packed. A report, a figure or a table of so many trials shows a choice of them and says
so; what mattered is told in the report, from a choice as well."""

STEPS = {
    "show": "paceline show",
    "report": "paceline report",
    "resume": "one more trial",
    "live": "the live page",
}


def run(options: Options) -> Result:
    trials, repeats = (200, 1) if options.quick else (100_000, max(3, options.repeats))
    answers: dict[tuple[str, str], list[Answer]] = {}
    with folder() as directory:
        for kind, halving in (("measured once", False), ("stopped early", True)):
            study = directory / kind.replace(" ", "-")
            request = {"study": str(study), "trials": trials, "halving": halving}
            answers[kind, "write"] = [_ask("write", request, directory)]
            for step in STEPS:
                answers[kind, step] = []
            for repeat in range(repeats):
                for step in STEPS:
                    used = _copy(study, f"{study}-{repeat}") if step == "resume" else study
                    answers[kind, step].append(
                        _ask(step, {**request, "study": str(used)}, directory)
                    )
                shutil.rmtree(f"{study}-{repeat}")
    return _result(answers, trials, repeats)


def _ask(step: str, request: dict[str, object], directory: Path) -> Answer:
    return ask(
        "paceline", "benchmarks.ours.scale", {**request, "do": step}, cache=directory / "cache"
    )


def _copy(study: Path, to: str) -> Path:
    return Path(shutil.copytree(study, to))


def _result(answers: dict[tuple[str, str], list[Answer]], trials: int, repeats: int) -> Result:
    kinds = list(dict.fromkeys(kind for kind, _ in answers))

    def worst(step: str, key: str, unit: float = 1.0) -> float:
        return max(Spread.of(answers[kind, step], key).median for kind in kinds) / unit

    findings = [
        Finding("paceline show", worst("show", "cpu_seconds"), 2.0, unit="s", better="lower"),
        Finding("paceline report", worst("report", "cpu_seconds"), 20.0, unit="s", better="lower"),
        Finding("the report", worst("report", "bytes", 1e6), 8.0, unit="MB", better="lower"),
        Finding(
            "going on for one trial", worst("resume", "cpu_seconds"), 10.0, unit="s", better="lower"
        ),
        Finding(
            "the live page until its head is there",
            worst("live", "head_seconds"),
            unit="s",
            better="lower",
        ),
        Finding(
            "the live page's first answer", worst("live", "bytes", 1e6), unit="MB", better="lower"
        ),
    ]
    rows = [
        [
            kind,
            said,
            str(Spread.of(answers[kind, step], "cpu_seconds")),
            number(Spread.of(answers[kind, step], "peak_mb").median),
        ]
        for kind in kinds
        for step, said in STEPS.items()
    ]
    size = ", ".join(f"{kind} {answers[kind, 'write'][0]['bytes'] / 1e6:.0f} MB" for kind in kinds)
    return Result(
        f"A study of {trials:,} trials",
        f"{METHOD.format(trials=trials, repeats=repeats)} The databases: {size}.",
        findings,
        ["study", "what", "processor time, s", "peak memory, MiB"],
        rows,
    )
