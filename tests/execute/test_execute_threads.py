"""Cohorts in several threads give the answers of lanes over several devices."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_STUDY = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_study_tune import tune
import jax
from paceline.train.lanes import cohort_count
study = tune(Path(sys.argv[2]), trials=24, search="random")
scores = [trial.score for trial in study.trials]
print(json.dumps([jax.local_device_count(), cohort_count(), scores, study.best.number]))
"""


def test_threads_and_devices_agree(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1] / "study")
    found = []
    for devices in ("1", "2"):
        environment = {**os.environ, "JAX_NUM_CPU_DEVICES": devices}
        command = [sys.executable, "-c", _STUDY, tests, str(tmp_path / devices)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    (one, threads, scores, best), (two, single, others, other_best) = found
    assert (one, two, single) == (1, 2, 1)
    assert threads == min(os.cpu_count() or 1, 8)
    assert scores == pytest.approx(others, rel=1e-4)
    assert best == other_best
