"""What Ray Tune costs per trial when the objective costs nothing, one trial at a time.

Request: ``trials, few``. Answer: ``milliseconds`` per trial, see `benchmarks.ray_cluster`.
"""

import json
import sys
import tempfile
import time
from typing import Any


def objective(config: dict[str, Any]) -> dict[str, float]:
    """Returns its parameter."""
    return {"score": config["x"]}


def seconds(trials: int, directory: str) -> float:
    from ray import tune

    tuner = tune.Tuner(
        objective,
        param_space={"x": tune.uniform(0.0, 1.0)},
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            num_samples=trials,
            max_concurrent_trials=1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=directory, verbose=0),
    )
    start = time.perf_counter()
    tuner.fit()
    return time.perf_counter() - start


if __name__ == "__main__":
    import ray

    asked = json.loads(sys.argv[1])
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory(prefix="tune-") as folder:
        took = {number: seconds(number, folder) for number in (asked["few"], asked["trials"])}
    ray.shutdown()
    extra = took[asked["trials"]] - took[asked["few"]]
    print("\n" + json.dumps({"milliseconds": 1000 * extra / (asked["trials"] - asked["few"])}))
