"""64 random trials x 5 epochs on California Housing, against KerasTuner on two backends."""

from benchmarks import arrays, searches
from benchmarks.measure import Options, folder
from benchmarks.report import Result


def run(options: Options) -> Result:
    trials, epochs = (4, 1) if options.quick else (64, 5)
    with folder() as directory:
        data = directory / "data.npz"
        if options.quick:
            arrays.write_made_up(data, (8,), 640, classes=None)
        else:
            arrays.write_named("california_housing", data, rows=16_000, test=0.1)
        rows = len(arrays.read(data)["x"])
        request = {
            "space": "california",
            "data": str(data),
            "trials": trials,
            "epochs": epochs,
            "batch_size": 32,
        }
        answers = searches.compare(request, options)
    what = (
        f"{trials} random trials × {epochs} epochs on California Housing ({rows:,} training rows, "
        "8 features, standardised): 1-3 layers × {32, 64, 96, 128} units × dropout × learning rate "
        "× L2, Adam, "
        "batch 32, scored by validation loss."
    )
    bounds = {searches.KERAS_JAX: (12.0, 20.0), searches.KERAS_TF: (28.0, 45.0)}
    return searches.result("California Housing: 64 random trials", what, answers, bounds)
