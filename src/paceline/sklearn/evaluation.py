"""Runs the fits of a search: those of networks together, others by joblib as scikit-learn does."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from joblib import Parallel
from sklearn.exceptions import FitFailedWarning

from paceline.core.deprecation import depth_of_caller
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
        self._succeeded: dict[str, Any] | None = None
        self._failed: dict[tuple[int, int], Any] = {}  # by candidate and fold, before any succeeds

    def __call__(self, calls: Sequence[Call]) -> list[Any]:
        """Runs the calls of scikit-learn; results in order."""
        fits = [self._fit_of(call) for call in calls]
        results: dict[int, Any] = {}
        for at, fit in enumerate(fits):
            known = self._session.known(fit.candidate, fit.split)
            if known is not None and _has_all(known, fit.call[2]):
                results[at] = known
            elif (id(fit.candidate), fit.split) in self._failed:
                results[at] = self._failed[id(fit.candidate), fit.split]
        if not results or len(results) < len(fits):
            for at, result in self._run({i: f for i, f in enumerate(fits) if i not in results}):
                results[at] = result
                self._session.take(fits[at].candidate, fits[at].split, result)
        ordered = [results[at] for at in range(len(fits))]
        succeeded = next((one for one in ordered if one.get("fit_error") is None), None)
        if succeeded is None and self._succeeded is not None:
            return [_as_scored(one, self._succeeded) for one in _warned(ordered)]
        if succeeded is None:
            self._failed |= {
                (id(f.candidate), f.split): r for f, r in zip(fits, ordered, strict=True)
            }
        else:  # candidates may go now, and others get their identities
            self._failed.clear()
        self._succeeded = self._succeeded or succeeded
        return ordered

    @property
    def have_all_failed(self) -> bool:
        """Whether fits were run, and none has succeeded."""
        return bool(self._failed)

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


def _warned(failed: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The results of fits that have all failed, after a warning that says so."""
    warnings.warn(
        f"All {len(failed)} fits of a batch of candidates failed; their scores are "
        f"{failed[0]['test_scores']}. The first error:\n{failed[0]['fit_error']}",
        FitFailedWarning,
        stacklevel=depth_of_caller(),
    )
    return failed


def _as_scored(failed: dict[str, Any], succeeded: dict[str, Any]) -> dict[str, Any]:
    """The result of a fit that failed in the form of another, with which the search continues.

    scikit-learn's function would end the search: it knows the fits of one call only.
    """
    result = {**failed, "fit_error": None}
    for part in ("test_scores", "train_scores"):
        names = succeeded.get(part)
        if isinstance(names, dict) and not isinstance(result.get(part), dict):
            result[part] = dict.fromkeys(names, result[part])
    return result


def _has_all(known: dict[str, Any], kwargs: dict[str, Any]) -> bool:
    """Whether an earlier result has what is asked for now."""
    if "test_scores" not in known or (kwargs["return_train_score"] and "train_scores" not in known):
        return False
    if not kwargs["return_train_score"]:
        known.pop("train_scores", None)
    known["n_test_samples"] = len(kwargs["test"])
    return True
