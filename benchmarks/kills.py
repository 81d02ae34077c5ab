"""The same study in one process and on several nodes, of which one is killed and one joins."""

from benchmarks.measure import Answer, Options, ask
from benchmarks.report import Finding, Result

METHOD = """Tiny networks, {trials} trials of at most 9 epochs, the default search, ASHA, in order:
once in one process, then on 2 and on 4 engines of one core, with the same seed; {seeds} seeds. An
engine is killed (SIGKILL) after an epoch that is drawn at random. `executor="processes"` starts
another one in its place. On Ray each engine is on a node of its own of a cluster on this machine;
the node is killed, and another one joins after a random later epoch. Equal: configurations, states,
decisions, and the metrics of all epochs, bit for bit."""

ENGINES = (2, 4)


def run(options: Options) -> Result:
    """Runs each kind of engine; a piece of it: ``python -m benchmarks.ours.kills REQUEST``."""
    seeds, trials = (1, 4) if options.quick else (20, 8)
    rows, findings = [], []
    for executor in ("processes", "ray"):
        for engines in ENGINES:
            answer = _ask({"executor": executor, "engines": engines, "trials": trials}, seeds)
            killed, equal = int(str(answer["killed"])), int(str(answer["equal"]))
            rows.append([executor, str(engines), str(seeds), str(killed), str(equal)])
            what = f"{executor}, {engines} engines: equal studies"
            findings.append(Finding(what, 100 * equal / seeds, 100.0, unit="%"))
    return Result(
        title="Killed engines",
        method=METHOD.format(trials=trials, seeds=seeds),
        findings=findings,
        headings=["executor", "engines", "studies", "of them with a killed engine", "equal"],
        rows=rows,
    )


def _ask(request: Answer, seeds: int) -> Answer:
    return ask("paceline", "benchmarks.ours.kills", {**request, "seeds": [*range(seeds)]})
