"""Step rates of three convolutional networks, against Keras ``fit`` on JAX, PyTorch and
TensorFlow.
"""

from collections.abc import Callable, Mapping
from functools import partial

from benchmarks import arrays
from benchmarks.measure import Answer, Options, Spread, ask, folder, in_turn
from benchmarks.report import Finding, Result

PEERS = {"keras-jax": "Keras-JAX", "keras-torch": "Keras-torch", "keras-tf": "Keras-TensorFlow"}
STEPS = {"8-16": 60, "32-64": 20, "32-64-64-128": 10}
"""Steps of an epoch, by the filters of a network in `benchmarks.builds`: a second or two on the
slowest side.
"""

METHOD = """Convolutions 3 × 3 "same" with ReLU, 2 × 2 max pooling after each (8-16, 32-64) or after
every second one (32-64-64-128), Flatten, Dense(10), Adam, batch 64, images 28 × 28 × 1, made-up
data. Peers: `fit`, all of {epochs} epochs but the first. Paceline: {trials} trials that differ in
learning rate, through `tune` with the engine's own choice of lanes; model-steps per second of all
lanes together, by the slope between a study of {short} epochs and one of {long}; evaluation on 64
images after each epoch counts against us."""


def run(options: Options) -> Result:
    trials, short, long, epochs = (2, 1, 12, 2) if options.quick else (4, 1, 4, 5)
    findings, rows = [], []
    for name in list(STEPS)[:1] if options.quick else STEPS:
        steps = 2 if options.quick else STEPS[name]
        rates = _measure(name, steps, (trials, short, long, epochs), options)
        rows.append([name, *(str(rates[side]) for side in ("paceline", *PEERS))])
        findings += _findings(name, {side: found.median for side, found in rates.items()})
    return Result(
        title="Step rates of convolutional networks",
        method=METHOD.format(trials=trials, short=short, long=long, epochs=epochs),
        findings=findings,
        headings=["filters", "paceline, steps/s", *(f"{peer} fit" for peer in PEERS.values())],
        rows=rows,
        environments=["paceline", *PEERS],
    )


def _measure(
    name: str, steps: int, sizes: tuple[int, int, int, int], options: Options
) -> dict[str, Spread]:
    """Steps per second of all sides for one network."""
    trials, short, long, epochs = sizes
    with folder() as directory:
        data = str(
            arrays.write_made_up(directory / "data.npz", (28, 28, 1), 64 * steps, classes=10)
        )
        common = {"space": f"cnn {name}", "data": data, "batch_size": 64}
        ours = {**common, "trials": trials, "epochs": [short, long]}

        def paceline(repeat: int) -> Answer:
            return ask("paceline", "benchmarks.ours.rate", {**ours, "seed": repeat + 1})

        def peer(environment: str, _repeat: int) -> Answer:
            request = {**common, "epochs": epochs, "steps_per_execution": [0]}
            answer = ask(environment, "benchmarks.peers.keras_fit", request)
            return {**answer, "rate": answer["rates"]["0"]}

        sides: dict[str, tuple[int, Callable[[int], Answer]]] = {
            "paceline": (options.repeats, paceline)
        }
        for environment in PEERS:
            sides[environment] = (options.slow_repeats, partial(peer, environment))
        answers = in_turn(sides)
    return {side: Spread.of(found, "rate") for side, found in answers.items()}


def _findings(name: str, rate: Mapping[str, float]) -> list[Finding]:
    """At least PyTorch and twice Keras-JAX; the aim is TensorFlow."""
    ours = rate["paceline"]
    return [
        Finding(f"{name} against Keras-torch", ours / rate["keras-torch"], must=1.0),
        Finding(f"{name} against Keras-JAX", ours / rate["keras-jax"], must=2.0),
        Finding(f"{name} against Keras-TensorFlow", ours / rate["keras-tf"], aim=1.0),
    ]
