"""The same study in one process and on several nodes, of which one is killed and one joins."""

from benchmarks import environments, kept
from benchmarks.measure import Options
from benchmarks.report import Finding, Result

METHOD = """Tiny networks, {trials} trials of at most 9 epochs, the default search, ASHA, in order:
once in one process, then on 2 engines of one core (even seeds) or 4 (odd seeds), with the same
seed; {seeds} seeds for each kind of engines. An engine is killed (SIGKILL) after an epoch that is
drawn at random. `executor="processes"` starts another one in its place. On Ray each engine is on a
node of its own of a cluster on this machine; the node is killed, and another one joins after a
random later epoch. Equal: configurations, states, decisions, and the metrics of all epochs, bit for
bit. Nothing is timed, so a study that was compared is kept, and not compared again by the same
code."""

ENGINES = (2, 4)


def run(options: Options) -> Result:
    """Runs each kind of engine; a piece of it: ``python -m benchmarks.ours.kills REQUEST``."""
    seeds, trials = (2, 4) if options.quick else (20, 8)
    rows, findings = [], []
    for executor in ("processes", "ray"):
        for first, engines in enumerate(ENGINES):
            request = {"executor": executor, "engines": engines, "trials": trials}
            runs = kept.runs(
                environments.OURS,
                "benchmarks.ours.kills",
                request,
                range(first, seeds, len(ENGINES)),
            )
            killed, equal = (sum(run[what] for run in runs) for what in ("killed", "equal"))
            rows.append([executor, *map(str, (engines, len(runs), killed, equal))])
            what = f"{executor}, {engines} engines: equal studies"
            findings.append(Finding(what, equal, len(runs), unit=f" of {len(runs)}"))
    return Result(
        title="Killed engines",
        method=METHOD.format(trials=trials, seeds=seeds),
        findings=findings,
        headings=["executor", "engines", "studies", "of them with a killed engine", "equal"],
        rows=rows,
    )
