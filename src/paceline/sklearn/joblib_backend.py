"""A backend of joblib that runs all calls of one `Parallel` together.

scikit-learn's searches hand each fit to joblib as a call. This backend collects the calls, and runs
them when the first result is asked for, so that fits can share a compiled model.
"""

from collections.abc import Callable, Sequence
from typing import Any

from joblib.parallel import ParallelBackendBase

Call = tuple[Any, tuple[Any, ...], dict[str, Any]]
"""A function with its positional and named arguments."""


class CollectingBackend(ParallelBackendBase):  # type: ignore[misc]
    """Collects calls, and passes all of them to one function."""

    supports_sharedmem = True

    def __init__(self, run: Callable[[Sequence[Call]], Sequence[Any]], **given: Any) -> None:
        """``run`` gets all calls, and returns their results in order."""
        super().__init__(**given)
        self._run = run
        self._waiting: list[_CollectedCalls] = []

    def effective_n_jobs(self, n_jobs: int) -> int:  # noqa: ARG002 - joblib's name
        """Two: for one, joblib would not use the backend."""
        return 2

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
        """Has all calls submitted before the first result is asked for."""
        self.parallel = parallel
        if parallel is not None:
            parallel.pre_dispatch = "all"
        return self.effective_n_jobs(n_jobs)

    def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
        """Adds calls."""
        calls = _CollectedCalls(self, list(func.items), callback)
        self._waiting.append(calls)
        return calls

    apply_async = submit  # its name in earlier versions of joblib

    def run_all(self) -> None:
        """Runs everything that was submitted."""
        waiting, self._waiting = self._waiting, []
        results = iter(self._run([call for one in waiting for call in one.calls]))
        for one in waiting:
            one.results = [next(results) for _ in one.calls]
        for one in waiting:
            if one.callback is not None:
                one.callback(None)


class _CollectedCalls:
    """Some calls, in the place of a future."""

    def __init__(
        self,
        backend: CollectingBackend,
        calls: Sequence[Call],
        callback: Callable[[Any], None] | None,
    ) -> None:
        self._backend, self.calls, self.callback = backend, calls, callback
        self.results: list[Any] | None = None

    def get(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - joblib passes it
        """The results."""
        if self.results is None:
            self._backend.run_all()
        return self.results
