"""What one small `tune` calls of the package: how many distinct functions, and some of them how
often.

Request: ``counted``: names as ``"room function"``, such as ``"store StudyStore.__init__"``. Answer:
``functions`` and ``modules``: how many distinct ones were entered (lambdas and comprehensions are
not counted, nor are imports); ``counts``: how often each of those names was.
"""

import inspect
import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import paceline

TRIALS, EPOCHS = 6, 3


def build(hp: Any) -> Any:
    import keras

    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            keras.layers.Flatten(),
            keras.layers.Dense(hp.Choice("units", [16, 32]), activation="relu"),
            keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5)),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


class Calls:
    """Counts the calls of every function of the package, in all threads."""

    def __init__(self) -> None:
        self.root = str(Path(paceline.__file__).parent) + "/"
        self.counts: Counter[CodeType] = Counter()

    def __enter__(self) -> "Calls":
        threading.setprofile(self._heard)
        sys.setprofile(self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _heard(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(self.root):
            self.counts[frame.f_code] += 1

    def functions(self) -> list[CodeType]:
        """The distinct functions that have a name; the bodies of classes are none."""
        return [
            code
            for code in self.counts
            if not code.co_name.startswith("<") and code.co_flags & inspect.CO_NEWLOCALS
        ]

    def named(self, room: str, name: str) -> int:
        """How often a function was called, wherever in its room it stands."""
        within = f"{self.root}{room}/"
        return sum(
            times
            for code, times in self.counts.items()
            if code.co_qualname == name and code.co_filename.startswith(within)
        )


def measured(request: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory, Calls() as calls:
        paceline.tune(
            build,
            "digits",
            objective="val_accuracy",
            epochs=EPOCHS,
            trials=TRIALS,
            final=3,
            seed=1,
            study=Path(directory) / "study",
            display=False,
        )
    functions = calls.functions()
    return {
        "functions": len(functions),
        "modules": len({code.co_filename for code in functions}),
        "counts": {each: calls.named(*each.split(" ")) for each in request["counted"]},
    }


if __name__ == "__main__":
    print(json.dumps(measured(json.loads(sys.argv[1]))))
