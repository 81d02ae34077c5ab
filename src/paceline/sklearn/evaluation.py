"""Runs the fits of a search: those of networks together, others by joblib as scikit-learn does."""

from collections.abc import Iterator, Sequence
from typing import Any

from joblib import Parallel

from paceline.sklearn.candidates import Candidate
from paceline.sklearn.fit_call import FitCall
from paceline.sklearn.joblib_backend import Call
from paceline.sklearn.network_fits import NetworkFits, is_network
from paceline.sklearn.session import SearchSession


class FitRunner:
    """Runs the fits of a search and reports their results to its study.

    Attributes:
        candidates: those whose fits come next.
        networks: runs fits of networks.
    """

    def __init__(
        self, session: SearchSession, networks: NetworkFits, n_jobs: int | None, pre_dispatch: Any
    ) -> None:
        self._session, self.networks = session, networks
        self._n_jobs, self._pre_dispatch = n_jobs, pre_dispatch
        self.candidates: Sequence[Candidate] = ()

    def __call__(self, calls: Sequence[Call]) -> list[Any]:
        """Runs the calls of scikit-learn; results in order."""
        fits = [self._fit_of(call) for call in calls]
        results: dict[int, Any] = {}
        for at, fit in enumerate(fits):
            known = self._session.known(fit.candidate, fit.split)
            if known is not None and _has_all(known, fit.call[2]):
                results[at] = known
        if not results or len(results) < len(fits):
            for at, result in self._run({i: f for i, f in enumerate(fits) if i not in results}):
                results[at] = result
                self._session.take(fits[at].candidate, fits[at].split, result)
        return [results[at] for at in range(len(fits))]

    def _fit_of(self, call: Call) -> FitCall:
        candidate, _ = call[2]["candidate_progress"]
        split, self._session.num_splits = call[2]["split_progress"]
        return FitCall(call, self.candidates[candidate], split)

    def _run(self, fits: dict[int, FitCall]) -> Iterator[tuple[int, Any]]:
        rest = dict(fits)
        of_networks = {
            at: fit
            for at, fit in fits.items()
            if is_network(fit.call[1][0], *fit.candidate.params.values())
        }
        if of_networks:
            for at, result in self.networks.run(of_networks):
                rest.pop(at)
                yield at, result
        yield from zip(rest, self._parallel()(fit.call for fit in rest.values()), strict=True)

    def _parallel(self) -> Parallel:
        """Gives results as they come, if the backend of the user can do so."""
        options = {"n_jobs": self._n_jobs, "pre_dispatch": self._pre_dispatch}
        try:
            return Parallel(return_as="generator", **options)
        except ValueError:
            return Parallel(**options)


def _has_all(known: dict[str, Any], kwargs: dict[str, Any]) -> bool:
    """Whether an earlier result has what is asked for now."""
    if "test_scores" not in known or (kwargs["return_train_score"] and "train_scores" not in known):
        return False
    if not kwargs["return_train_score"]:
        known.pop("train_scores", None)
    known["n_test_samples"] = len(kwargs["test"])
    return True
