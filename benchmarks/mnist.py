"""16 random trials x 3 epochs on MNIST, against KerasTuner on two backends."""

from benchmarks import arrays, searches
from benchmarks.measure import Options, folder
from benchmarks.report import Result


def run(options: Options) -> Result:
    trials, epochs = (2, 1) if options.quick else (16, 3)
    with folder() as directory:
        data = directory / "data.npz"
        rows = arrays.write_mnist(data, quick=options.quick)
        request = {
            "space": "mnist",
            "data": str(data),
            "trials": trials,
            "epochs": epochs,
            "batch_size": 32,
        }
        answers = searches.compare(request, options)
    what = (
        f"{trials} random trials × {epochs} epochs on MNIST ({rows:,} training rows, flattened, "
        f"scaled to 0-1): "
        "1-3 layers × {32, 64, 128} units × dropout × learning rate, Adam, batch 32, scored by "
        "validation accuracy."
    )
    bounds = {searches.KERAS_JAX: (6.0, 8.0), searches.KERAS_TF: (13.0, 18.0)}
    return searches.result("MNIST: 16 random trials", what, answers, bounds)
