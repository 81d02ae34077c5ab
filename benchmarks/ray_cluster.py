"""Functions on Ray: what a trial costs, against Ray Tune; scaling; starts; a killed node."""

from benchmarks.measure import Answer, Options, Spread, ask
from benchmarks.report import Finding, Result

SLOTS = 16

METHOD = """Clusters of Ray on this machine. Overhead: {trials} trials of a function that does
nothing, one at a time, random search; wall time of the study less that of a study of {few} trials,
divided by the difference in trials. Paceline: `executor="ray"`, its SQLite store. Ray Tune:
`Tuner.fit` with `reuse_actors=True`, in the same way. Scaling: {calls} calls that sleep for
{seconds:g} s on {slots} slots, from the first start to the last end (most actors start meanwhile),
against {calls} / {slots} × {seconds:g} s. Start: from the call of `optimize` to the start of the
first trial, on a cluster that runs; Ray is imported and connected to in this time. Killed node:
from the end of a node's processes (SIGKILL) to the moment at which its trial's function is called
again, with a free slot on another node."""


def run(options: Options) -> Result:
    trials, few = (40, 4) if options.quick else (1000, 20)
    calls, seconds = (32, 0.1) if options.quick else (320, 1.0)
    overhead = {"part": "overhead", "trials": trials, "few": few}
    scaling = {"part": "scaling", "calls": calls, "seconds": seconds, "slots": SLOTS}

    def ours(request: Answer) -> list[Answer]:
        return [_ask("ours.ray_cluster", request) for _ in range(options.repeats)]

    own, tune = [], []
    for _ in range(options.repeats):
        own.append(_ask("ours.ray_cluster", overhead))
        tune.append(_ask("peers.ray_tune", overhead))
    cost, peer = Spread.of(own, "milliseconds"), Spread.of(tune, "milliseconds")
    scaled = Spread.of(ours(scaling), "share")
    start = Spread.of(ours({"part": "start"}), "seconds")
    killed = Spread.of(ours({"part": "killed"}), "seconds")
    return Result(
        title="Functions on Ray",
        method=METHOD.format(trials=trials, few=few, calls=calls, seconds=seconds, slots=SLOTS),
        findings=[
            Finding("overhead per trial", cost.median, 10.0, unit="ms", better="lower"),
            Finding("cheaper than Ray Tune", peer.median / cost.median),
            Finding(f"scaling on {SLOTS} slots, of ideal", scaled.median, 90.0, unit="%"),
            Finding("start, cluster up", start.median, 10.0, unit="s", better="lower"),
            Finding("killed node", killed.median, 10.0, unit="s", better="lower"),
        ],
        headings=["what", "Paceline", "Ray Tune"],
        rows=[
            ["overhead per trial, ms", str(cost), str(peer)],
            [f"scaling on {SLOTS} slots, % of ideal", str(scaled), ""],
            ["start, s", str(start), ""],
            ["killed node until its trial is called again, s", str(killed), ""],
        ],
    )


def _ask(module: str, request: Answer) -> Answer:
    return ask("paceline", f"benchmarks.{module}", request)
