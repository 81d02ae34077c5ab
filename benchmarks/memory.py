"""Memory after many small trials."""

from benchmarks import arrays
from benchmarks.measure import Answer, Options, Spread, ask, far_seed, folder, in_turn
from benchmarks.report import Finding, Result

MIB = 2**20
NOISE_MIB = 8.0
"""What counts as no growth: allocators keep a few pages here and there, and each trial's own record
is a few KiB.
"""

METHOD = """A study of the smallest network (8→4→1, one epoch of 64 rows) is brought to {first}
trials and then, in the same process, to {trials:,} and to {twice:,}; resident memory is read after
each and sampled in between. No growth means less than {noise:.0f} MiB. KerasTuner on Keras-JAX:
resident memory after each of {peer_trials} trials of the same network; both are also given per 100
trials after the first {first}."""


def run(options: Options) -> Result:
    first, trials, peer_trials = (4, 12, 6) if options.quick else (100, 1000, 200)
    with folder() as directory:
        data = str(arrays.write_made_up(directory / "data.npz", (8,), 64, classes=None))
        common = {"space": "tiny", "data": data, "epochs": 1, "batch_size": 32}

        def paceline(repeat: int) -> Answer:
            request = {**common, "first": first, "trials": trials, "seed": repeat + 1}
            return ask(
                "paceline",
                "benchmarks.ours.memory",
                {**request, "study": str(directory / f"study-{repeat}")},
            )

        def keras_tuner(repeat: int) -> Answer:
            request = {**common, "trials": peer_trials, "seed": far_seed(repeat)}
            return ask("keras-jax", "benchmarks.peers.keras_tuner_search", request)

        answers = in_turn({"paceline": (options.repeats, paceline), "keras-jax": (1, keras_tuner)})
    growth = Spread(tuple((a["after_all"] - a["after_first"]) / MIB for a in answers["paceline"]))
    later = Spread(tuple((a["after_twice"] - a["after_all"]) / MIB for a in answers["paceline"]))
    peak = Spread(tuple((a["peak_all"] - a["peak_first"]) / MIB for a in answers["paceline"]))
    after_first = Spread(tuple(a["after_first"] / MIB for a in answers["paceline"]))
    noted = answers["keras-jax"][0]["memory"]
    middle = min(first, len(noted) // 2)
    peer_growth = (noted[-1] - noted[middle - 1]) / MIB
    return Result(
        title="Memory over many trials",
        method=METHOD.format(
            first=first, trials=trials, twice=2 * trials, noise=NOISE_MIB, peer_trials=peer_trials
        ),
        findings=[
            Finding(
                f"growth from trial {first} to {trials:,}",
                growth.median,
                must=NOISE_MIB,
                unit="MiB",
                better="lower",
            ),
            Finding(
                f"growth from trial {trials:,} to {2 * trials:,}",
                later.median,
                unit="MiB",
                better="lower",
            ),
            Finding("growth of the peak", peak.median, must=NOISE_MIB, unit="MiB", better="lower"),
        ],
        headings=[
            "side",
            f"after {first} trials, MiB",
            "growth, MiB",
            "growth per 100 trials, MiB",
        ],
        rows=[
            [
                "paceline",
                str(after_first),
                str(growth),
                f"{growth.median / (trials - first) * 100:.2f}",
            ],
            [
                "KerasTuner on Keras-JAX",
                f"{noted[middle - 1] / MIB:.0f}",
                f"{peer_growth:.0f} (to trial {len(noted)})",
                f"{peer_growth / (len(noted) - middle) * 100:.2f}",
            ],
        ],
        environments=["paceline", "keras-jax"],
    )
