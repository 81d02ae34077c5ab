"""The study behind a search: its candidates are trials, run by scikit-learn and reported to it.

| metric of a trial | meaning |
| --- | --- |
| ``score`` | mean of the score of the folds by which the search chooses |
| ``split0_test_score``, ``split0_train_score``, ... | scores of each fold, by scorer |
| ``split0_fit_time``, ``split0_score_time``, ... | seconds |
"""

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from paceline.core import StudyMismatch, Trial, TrialState
from paceline.search import Given, Strategy
from paceline.sklearn.candidates import Candidate, ParameterSpace
from paceline.study.asktell import OpenStudy
from paceline.study.resume.existing import Existing

Result = Mapping[str, Any]
"""The result of one fit in scikit-learn: scores and times."""

_SPLIT = re.compile(r"split(\d+)_(test|train)_(.+)|split(\d+)_(fit_time|score_time)")

_ABOUT = re.compile(
    r"(?P<estimator>.*) on (?P<data>\w*) with cv=(?P<cv>.*), scoring=(?P<scoring>.*)", re.DOTALL
)
_PARTS = {"estimator": "estimator", "data": "X or y", "cv": "cv", "scoring": "scoring"}
_ANOTHER = "Pass another directory as study, or what that one was made with."
_OUTER = (
    "In cross_val_score and other outer folds leave study out: each fold needs a study of its own."
)


class SearchSession:
    """A study while a search runs.

    Attributes:
        study: the study.
    """

    def __init__(
        self,
        directory: Path,
        parameters: ParameterSpace,
        candidates: Sequence[Candidate] | None,
        search: str | Strategy,
        seed: int,
        about: tuple[str, str],
    ) -> None:
        """Opens or continues the study.

        Args:
            directory: that of the study.
            parameters: the search space.
            candidates: all candidates, if they are known; None if the study proposes them.
            search: the strategy by which it does.
            seed: of the study.
            about: a name for what is searched, and a fingerprint that differs for other data.

        Raises:
            StudyMismatch: the directory holds another study.
            StudyLocked: another process is writing it.
        """
        self._parameters = parameters
        if candidates is not None:
            search = Given(tuple(one.config for one in candidates))
        try:
            _check_same(directory, about)
            self.study = OpenStudy(directory, parameters.space, "max", search, seed, about=about)
        except StudyMismatch as error:
            raise StudyMismatch(
                error.passed,
                expected=error.expected,
                fix=error.fix if error.fix.startswith(_ANOTHER) else _ANOTHER,
            ) from None
        self.num_splits, self.choose = 0, ""
        self._numbers = {self._key(one.config): one.number for one in self.study.trials}
        self._open: dict[int, dict[int, Result]] = {}
        self._known = {
            one.number: _stored_results(one)
            for one in self.study.trials
            if one.state is TrialState.COMPLETED
        }
        if candidates is not None:
            self.ask(len(candidates))

    def _key(self, config: Mapping[str, Any]) -> str:
        return self._parameters.space.key(config)

    def earlier(self) -> list[Candidate]:
        """The candidates of earlier sessions, in order."""
        trials = self.study.trials
        return [self._parameters.of_config(one.config) for one in trials]

    def ask(self, count: int) -> list[Candidate]:
        """New candidates; fewer than ``count`` if the space has no more."""
        trials = self.study.ask(count)
        self._numbers |= {self._key(one.config): one.number for one in trials}
        return [self._parameters.of_config(one.config) for one in trials]

    def known(self, candidate: Candidate, split: int) -> dict[str, Any] | None:
        """The results of an earlier session; None if there are none."""
        number = self._numbers.get(self._key(candidate.config))
        found = self._known.get(-1 if number is None else number, {})
        return dict(found[split]) if split in found else None

    def take(self, candidate: Candidate, split: int, result: Result) -> None:
        """Takes what was measured of one fit; reports to the study when all folds are there."""
        number = self._numbers.get(self._key(candidate.config))
        if number is None or self.study.record.trial(number).state.is_final:
            return
        results = self._open.setdefault(number, {})
        results.setdefault(split, result)
        if len(results) == self.num_splits:
            self._tell(number, self._open.pop(number))

    def _tell(self, number: int, results: Mapping[int, Result]) -> None:
        ordered = [results[split] for split in sorted(results)]
        scores = [self._score(result["test_scores"]) for result in ordered]
        if not all(map(math.isfinite, scores)):
            errors = [result["fit_error"] for result in ordered if result.get("fit_error")]
            self.study.tell(number, failed=errors[0] if errors else f"its scores are {scores}")
            return
        metrics = {"score": statistics.fmean(scores)}
        for split, result in enumerate(ordered):
            for part in ("test", "train"):
                of_part = _by_name(result.get(f"{part}_scores", {}))
                metrics |= {f"split{split}_{part}_{name}": v for name, v in of_part.items()}
            metrics |= {f"split{split}_{name}": result[name] for name in ("fit_time", "score_time")}
        seconds = sum(result["fit_time"] + result["score_time"] for result in ordered)
        self.study.tell(number, metrics, scores=scores, seconds=seconds)

    def _score(self, scores: Any) -> float:
        """The score by which the search chooses, among those of a fit."""
        named = _by_name(scores)
        return float(named[self.choose] if self.choose in named else next(iter(named.values())))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        """Closes the study, as interrupted after an error."""
        self.study.__exit__(*error)


def _check_same(directory: Path, about: tuple[str, str]) -> None:
    """Checks that a study, if there is one, is of the same estimator, data and folds.

    Raises:
        StudyMismatch: it is not; the message says what differs.
    """
    existing = Existing.find(directory)
    created = None if existing is None else existing.record.created
    had = _ABOUT.fullmatch("" if created is None else str(created.data["fingerprint"]))
    now = _ABOUT.fullmatch(about[1])
    if had is None or now is None:
        return
    differing = [_PARTS[name] for name, value in now.groupdict().items() if value != had[name]]
    if differing:
        raise StudyMismatch(
            f"the search has another {' and another '.join(differing)}",
            expected=f"what the study in {directory} was made with",
            fix=f"{_ANOTHER} {_OUTER}" if _PARTS["data"] in differing else _ANOTHER,
        )


def _by_name(scores: Any) -> Mapping[str, float]:
    return scores if isinstance(scores, Mapping) else {"score": scores}


def _stored_results(trial: Trial) -> dict[int, dict[str, Any]]:
    """The results of each fold, from the metrics of a trial."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in trial.measurements[-1].metrics.items() if trial.measurements else ():
        if (match := _SPLIT.fullmatch(name)) is None:
            continue
        split, part, scorer, at, time = match.groups()
        result = found.setdefault(int(split or at), {"fit_error": None})
        if time:
            result[time] = value
        else:
            result.setdefault(f"{part}_scores", {})[scorer] = value
    for result in found.values():
        for part in ("test_scores", "train_scores"):
            if list(result.get(part, ())) == ["score"]:
                result[part] = result[part]["score"]
    return found


Run = Callable[[Sequence[Any]], list[Any]]
"""Runs calls, each ``(function, args, kwargs)``; returns their results in order."""
