"""Built-in networks on one data set, as a process of its own; beside `benchmarks.networks`.

Request: ``data, networks, trials, seeds, epochs, quick``. Answer: for each network the metric on
the test part of the default configuration, one a seed, and of the winner of a search.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import paceline

FEW = 300  # rows of a quick run


def _first(x: Any, y: Any, rows: int, held_out: int) -> tuple[Any, ...]:
    """The first rows to train on, and as many others to test on."""
    return x[:rows], y[:rows], x[rows : rows + held_out], y[rows : rows + held_out]


def fashion() -> Any:
    """5,000 images of Fashion-MNIST, and the first 2,000 of its test part."""
    whole = paceline.data.load("fashion_mnist")
    return whole.x[:5000], whole.y[:5000], whole.x_test[:2000], whole.y_test[:2000]


def digits() -> Any:
    """The digits of scikit-learn, 8 × 8 pixels."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return _first((x.reshape(-1, 8, 8) / 16).astype("float32")[order], y[order], 1297, 500)


def tokens() -> Any:
    """The same as 64 tokens from 0 to 16."""
    x, y, x_test, y_test = digits()
    x, x_test = ((part.reshape(-1, 64) * 16).round().astype("int32") for part in (x, x_test))
    return x, y, x_test, y_test


def gapminder() -> Any:
    """Life expectancy of 142 countries, as shipped with Plotly."""
    import plotly.data

    frame = plotly.data.gapminder()[["country", "continent", "year", "pop", "gdpPercap", "lifeExp"]]
    order = np.random.default_rng(0).permutation(len(frame))
    frame = frame.iloc[order].reset_index(drop=True)
    y = frame.pop("lifeExp").to_numpy()
    return frame[:1300], y[:1300], frame[1300:], y[1300:]


DATA: Mapping[str, Callable[[], Any]] = {
    "fashion_mnist": fashion,
    "digits": digits,
    "digits as tokens": tokens,
    "california_housing": lambda: "california_housing",
    "gapminder": gapminder,
}


def _data(request: Mapping[str, Any]) -> Any:
    found = DATA[request["data"]]()
    if not request["quick"]:
        return found
    if isinstance(found, str):
        whole = paceline.data.load(found)
        return whole.x[:FEW], whole.y[:FEW], whole.x_test[:FEW], whole.y_test[:FEW]
    return tuple(part[:FEW] for part in found)


def score(study: paceline.Study) -> float:
    """Accuracy, or the square root of the mean squared error, on the test part."""
    tested = study.record.tested
    if tested is None:
        return float("nan")
    metrics = tested.metrics
    return float(metrics.get("accuracy", np.sqrt(metrics["loss"])))


def main(request: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    data = _data(request)

    def tune(network: str, name: str, seed: int, **options: Any) -> float:
        study = paceline.tune(
            network,
            data,
            epochs=request["epochs"],
            batch_size=request["batch_size"],
            keep="best",
            refit=True,
            seed=seed,
            study=directory / f"{network} {name} {seed}",
            display=False,
            **options,
        )
        return score(study)

    answer: dict[str, Any] = {}
    for network in request["networks"]:
        alone: dict[str, Any] = {"trials": 1, "start_with": [{}], "final": False}
        seeds = range(1, request["seeds"] + 1)
        answer[network] = {"default": [tune(network, "default", seed, **alone) for seed in seeds]}
        if request["trials"]:
            found = tune(network, "search", 1, trials=request["trials"])
            answer[network]["search"] = found
    return answer


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="networks-") as folder:
        print("\n" + json.dumps(main(json.loads(sys.argv[1]), Path(folder))))
