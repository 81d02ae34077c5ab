"""How long until a network is as good as the best of 64 random ones: real training, on the wall
clock.
"""

from collections.abc import Callable
from functools import partial

from benchmarks import arrays
from benchmarks.measure import Answer, Options, Spread, ask, far_seed, folder, in_turn, number
from benchmarks.report import Finding, Result

RANDOM, AUTO = "random", "auto"
PEERS = {
    "hyperband": ("keras-jax", "benchmarks.peers.keras_tuner_race", "KerasTuner Hyperband"),
    "bayesian": (
        "keras-jax",
        "benchmarks.peers.keras_tuner_race",
        "KerasTuner BayesianOptimization",
    ),
    "optuna": (
        "keras-jax-optuna",
        "benchmarks.peers.optuna_race",
        "Optuna TPE with its MedianPruner + Keras fit",
    ),
}
_MUST = {"hyperband": 15.0, "bayesian": 10.0, "optuna": 12.0}
METHOD = """The space of the section on MNIST (1-3 layers × {{32, 64, 128}} units × dropout ×
learning rate, Adam, batch 32, {epochs} epochs, {rows:,} training rows). The engine's own random
search trains {trials} networks; the best validation accuracy among them is the target, another for
each of {repeats} seeds: {targets}. Each other side searches until one of its networks, trained to
the end, reaches the target of its run, and is given up after {limit:.0f} s. In each run our two
searches have one seed, so that their networks start from the same luck: all trials of a study are
drawn from its seed, and with some seeds no network of a structure comes as far as with others.
Seconds of the search itself, from its call; compiling included, with an empty cache; imports and
reading the data are not counted for any side. A network's score is that of its best epoch. A side
that did not reach the target counts with the time after which it was given up, so its ratio is a
lower bound. A peer that ran fewer times is compared with our runs to the same targets."""


def run(options: Options) -> Result:
    trials, epochs, limit = (4, 1, 20.0) if options.quick else (64, 3, 450.0)
    with folder() as directory:
        data = directory / "data.npz"
        rows = arrays.write_mnist(data, quick=options.quick)
        request = {"space": "mnist", "data": str(data), "epochs": epochs, "batch_size": 32}
        first = {**request, "trials": trials, "search": RANDOM, "target": None, "limit": limit}
        randoms = [_ours(first, repeat) for repeat in range(options.repeats)]
        targets = [float(answer["best"]) for answer in randoms]
        races = [
            {**request, "trials": trials, "target": target, "limit": limit} for target in targets
        ]
        sides: dict[str, tuple[int, Callable[[int], Answer]]] = {
            AUTO: (options.repeats, lambda repeat: _ours({**races[repeat], "search": AUTO}, repeat))
        }
        for name in PEERS:
            sides[name] = (options.slow_repeats, partial(_peer, races, name))
        raced = in_turn(sides)
    return _result(
        METHOD.format(
            epochs=epochs,
            rows=rows,
            trials=trials,
            repeats=options.repeats,
            limit=limit,
            targets=", ".join(f"{target:.4f}" for target in targets),
        ),
        randoms,
        raced,
    )


def _ours(request: dict[str, object], repeat: int) -> Answer:
    return ask("paceline", "benchmarks.ours.race", {**request, "seed": 11 + repeat})


def _peer(races: list[dict[str, object]], name: str, repeat: int) -> Answer:
    environment, module, _ = PEERS[name]
    race = races[repeat % len(races)]
    return ask(environment, module, {**race, "search": name, "seed": far_seed(repeat)})


def _result(method: str, randoms: list[Answer], raced: dict[str, list[Answer]]) -> Result:
    whole, auto = Spread.of(randoms, "seconds").median, Spread.of(raced[AUTO], "seconds").median
    findings = [
        Finding(
            "faster than the engine's own random search (all of its trials)", whole / auto, 5.0, 8.0
        )
    ]
    for name, (_, _, title) in PEERS.items():
        answers = raced[name]
        ours = Spread.of(raced[AUTO][: len(answers)], "seconds").median  # to the same targets
        ratio = Spread.of(answers, "seconds").median / ours
        at_least = "" if all(answer["reached"] for answer in answers) else "at least, "
        findings.append(Finding(f"{at_least}faster than {title}", ratio, _MUST[name], 50.0))
    titles = {
        AUTO: 'paceline, `search="auto"`',
        **{name: title for name, (_, _, title) in PEERS.items()},
    }
    rows = [
        ["paceline, random, all trials", str(Spread.of(randoms, "seconds")), "-", _trials(randoms)]
    ]
    for side, answers in raced.items():
        reached = f"{sum(bool(answer['reached']) for answer in answers)} of {len(answers)}"
        rows.append([titles[side], str(Spread.of(answers, "seconds")), reached, _trials(answers)])
    return Result(
        title="Time to the best of 64 random networks, MNIST",
        method=method,
        findings=findings,
        headings=["side", "seconds", "target reached", "trials ended"],
        rows=rows,
        environments=["paceline", "keras-jax", "keras-jax-optuna"],
    )


def _trials(answers: list[Answer]) -> str:
    return number(Spread.of(answers, "trials").median)
