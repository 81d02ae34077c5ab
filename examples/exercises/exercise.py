"""What the exercises share: their data, `--quick`, and the line of JSON that each ends with."""

import gzip
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split

BEGAN = time.perf_counter()
QUICK = "--quick" in sys.argv
QUICK_ROWS = 300
FOLDER = Path(os.environ.get("PACELINE_DATA", "no folder"))
used = {}


def images(*names):
    """(x, y), (x_test, y_test) of the first of these data sets that is there, pixels in [0, 1].

    Looks in the folder PACELINE_DATA for the official files; without it, scikit-learn's digits.
    """
    for name in names:
        if (FOLDER / name / "train-images-idx3-ubyte.gz").exists():
            train, test = (
                (_idx(name, f"{part}-images-idx3"), _idx(name, f"{part}-labels-idx1"))
                for part in ("train", "t10k")
            )
            break
    else:
        name = "digits"
        x, y = load_digits(return_X_y=True)
        x = (255 / 16 * x.reshape(-1, 8, 8)).astype("uint8")
        x, x_test, y, y_test = train_test_split(x, y, test_size=0.2, random_state=0)
        train, test = (x, y), (x_test, y_test)
    used.update(data=name, rows=len(_few(train[0])))
    return tuple(
        (_few(x).astype("float32") / 255, _few(y).astype("int32")) for x, y in (train, test)
    )


def houses():
    """(x, y), (x_test, y_test) of California Housing; without its file, scikit-learn's diabetes."""
    path = FOLDER / "california_housing" / "cal_housing.data"
    if path.exists():
        columns = np.loadtxt(path, delimiter=",").T
        longitude, latitude, age, rooms, bedrooms, population, households, income, value = columns
        means = (rooms / households, bedrooms / households, population, population / households)
        x, y = np.column_stack([income, age, *means, latitude, longitude]), value / 1e5
    else:
        x, y = load_diabetes(return_X_y=True)
        y = (y - y.mean()) / y.std()
    x, x_test, y, y_test = train_test_split(x, y, random_state=42)
    used.update(data=path.parent.name if path.exists() else "diabetes", rows=len(_few(x)))
    return (_few(x), _few(y)), (_few(x_test), _few(y_test))


def finish(best, score, **more):
    """Prints the best configuration, its score, and the seconds since the script began."""
    line = {"seconds": time.perf_counter() - BEGAN, "score": score, "best": best, **used, **more}
    print("\n" + json.dumps(line, default=float))


def _idx(name, file):
    """The array of one file in the idx format."""
    content = gzip.decompress((FOLDER / name / f"{file}-ubyte.gz").read_bytes())
    lengths = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, "u1", offset=4 + 4 * len(lengths)).reshape(lengths)


def _few(rows):
    return rows[:QUICK_ROWS] if QUICK else rows
