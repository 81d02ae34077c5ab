"""Networks in the processes of any pool: the contract, and the study of this process."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor as Pool
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.execute.engine_functions import small

import paceline
from paceline.core import InvalidInput, PacelineError
from paceline.testing.executors import NetworkExecutorContract

_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(240, 6)).astype("float32")
_Y = (_X[:, 0] * _X[:, 1] + _X[:, 2]).astype("float32")


def _pool(kind: str) -> Any:
    if kind == "processes":
        return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))
    if kind == "loky":
        return pytest.importorskip("loky", reason="loky is not installed").ProcessPoolExecutor(2)
    distributed = pytest.importorskip("distributed", reason="Dask's distributed is not installed")
    options = {"processes": True, "n_workers": 2, "threads_per_worker": 1}
    return distributed.Client(**options, dashboard_address=":0")


@pytest.fixture(params=["processes", "loky", "dask"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    with _pool(request.param) as made:
        yield made.get_executor() if request.param == "dask" else made


def _study(directory: Path, **options: Any) -> list[Any]:
    given: dict[str, Any] = {"trials": 6, "epochs": 9, "search": "bayes", "schedule": "asha"}
    given |= {"final": "off", "seed": 3, "display": False, "refit": False, **options}
    study = paceline.tune(small, (_X, _Y), "val_loss", study=directory, **given)
    return [
        (dict(one.config), one.state, one.score, [m.metrics for m in one.measurements])
        for one in study.trials
    ]


@pytest.mark.exhaustive
class TestPoolContract(NetworkExecutorContract):
    """The contract of executors, in a pool of two processes."""

    @pytest.fixture
    def executor(self) -> Iterator[Pool]:
        """The pool."""
        with _pool("processes") as made:
            yield made


@pytest.mark.exhaustive
def test_a_study_in_a_pool_is_that_of_one_process(tmp_path: Path, pool: Pool) -> None:
    assert _study(tmp_path / "pool", executor=pool) == _study(tmp_path / "one")


def test_what_cannot_have_engines_is_refused(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as threads, pytest.raises(InvalidInput, match="ThreadPoolExecutor"):
        _study(tmp_path / "study", executor=threads)
    fork = ProcessPoolExecutor(2, multiprocessing.get_context("fork"))
    with fork, pytest.raises(InvalidInput, match=r"forked.*get_context\('spawn'\)"):
        _study(tmp_path / "study", executor=fork)
    assert not (tmp_path / "study").exists()


def test_a_pool_in_this_process_is_an_error(tmp_path: Path) -> None:
    class Hidden(Pool):
        """Threads that do not look like it."""

        _max_workers = 1

        def __init__(self) -> None:
            self._threads = ThreadPoolExecutor(1)

        def submit(self, function: Any, /, *args: Any, **options: Any) -> Any:
            return self._threads.submit(function, *args, **options)

    with pytest.raises(PacelineError, match="in the process of the study"):
        _study(tmp_path / "study", executor=Hidden())
