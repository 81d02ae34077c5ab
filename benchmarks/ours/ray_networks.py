"""How long a study of networks takes in one process and on two nodes of a Ray cluster.

Request: ``part`` (``here`` or ``there``), ``trials``, ``epochs``. Answer: ``seconds``.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paceline
from benchmarks.ours.ray_cluster import cluster, ends
from paceline.execute import Ray


def study(request: Mapping[str, Any], directory: Path, **options: Any) -> None:
    paceline.tune(
        "mlp",
        "digits",
        objective="val_accuracy",
        trials=request["trials"],
        epochs=request["epochs"],
        search="random",
        schedule="full",
        seed=1,
        final=False,
        study=directory,
        display=False,
        **options,
    )


def here(request: Mapping[str, Any], directory: Path) -> float:
    study(request, directory)
    first, last = ends(directory)
    return last - first


def there(request: Mapping[str, Any], directory: Path) -> float:
    with cluster(0, 1, 1) as (made, _):
        study(request, directory, executor=Ray(address=made.address))
    first, last = ends(directory)
    return last - first


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        parts = {"here": here, "there": there}
        print("\n" + json.dumps({"seconds": parts[asked["part"]](asked, Path(folder) / "study")}))
