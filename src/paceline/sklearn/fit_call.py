"""One fit of a search."""

from dataclasses import dataclass

from paceline.sklearn.candidates import Candidate
from paceline.sklearn.joblib_backend import Call


@dataclass(frozen=True, eq=False)
class FitCall:
    """One fit: a call of scikit-learn's function that fits an estimator and measures its scores.

    Attributes:
        call: the call.
        candidate: of which candidate.
        split: on which fold.
    """

    call: Call
    candidate: Candidate
    split: int
