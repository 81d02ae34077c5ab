"""The final of a study of eight configurations: how long it takes.

Request: ``data, epochs, batch_size, seed``. Answer: ``seconds`` and ``mean_score`` of the final.
"""

import json
import sys
import tempfile
from statistics import fmean

import paceline
from benchmarks.arrays import read
from benchmarks.finalists import CONFIGURATIONS, build
from paceline.core.events import FinalEnded, FinalStarted
from paceline.search import Given
from paceline.store import StudyStore

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    data = read(asked["data"])
    with tempfile.TemporaryDirectory(prefix="study-") as directory:
        study = paceline.tune(
            build,
            (data["x"], data["y"]),
            objective="val_accuracy",
            epochs=asked["epochs"],
            seed=asked["seed"],
            batch_size=asked["batch_size"],
            search=Given(CONFIGURATIONS),
            final=8,
            refit=False,
            study=directory,
        )
        store = StudyStore(study.directory, writable=False)
        times = {
            type(one.event): one.time
            for one in store.events()
            if isinstance(one.event, FinalStarted | FinalEnded)
        }
        store.close()
    final = study.record.final
    seconds = times[FinalEnded] - times[FinalStarted]
    print(
        "\n"
        + json.dumps(
            {"seconds": seconds, "mean_score": fmean(final.scores.values()) if final else None}
        )
    )
