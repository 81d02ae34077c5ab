"""Trains the networks of many fits together, each with the rows of its fold.

Each fit is recorded (`paceline.sklearn.recorded_fit`): the estimator does all but the training.
The networks are jobs of Paceline's executor, and each estimator gets its trained weights back.
Then scikit-learn's own function is called for the scores, with an estimator that is fitted already.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import keras
import numpy as np

from paceline.sklearn.candidates import ParameterSpace
from paceline.sklearn.fit_call import FitCall
from paceline.sklearn.fold_data import FoldData
from paceline.sklearn.lane_fit import LaneFit, recorded_fit
from paceline.sklearn.lane_scores import scored
from paceline.sklearn.lane_training import LaneTraining
from paceline.sklearn.predictions import Predictor
from paceline.sklearn.recorded_fit import NetworkTraining, RecordedFit, RunsAlone
from paceline.space import HyperParameters
from paceline.study.planned.retraining import FOLDS, seeds_of
from paceline.train.build import build_model

_MOST_TOGETHER = 512  # fits that are recorded at once: each has a model


class LaneFits:
    """Runs fits of networks together.

    Attributes:
        reasons: why some fits have to run alone.
    """

    def __init__(self, parameters: ParameterSpace, seed: int) -> None:
        self._parameters, self._seed = parameters, seed
        self._predictor = Predictor()
        self._models: set[int] = set()  # ids of recorded models: each is trained once
        self.reasons: dict[str, None] = {}

    def run(self, fits: Mapping[int, FitCall]) -> Iterator[tuple[int, Any]]:
        """Yields the result of each fit that could be trained with others, by its number."""
        numbers = list(fits)
        for start in range(0, len(numbers), _MOST_TOGETHER):
            yield from self._run({at: fits[at] for at in numbers[start : start + _MOST_TOGETHER]})

    def _run(self, fits: Mapping[int, FitCall]) -> Iterator[tuple[int, Any]]:
        data = FoldData()
        lanes: dict[int, LaneFit] = {}
        for at, fit in fits.items():
            try:
                lanes[at] = self._record(fit, data)
            except RunsAlone as error:
                self.reasons |= {str(error): None} if str(error) else {}
            except Exception:  # scikit-learn calls it again, and treats the error as asked for
                continue
        alike: dict[object, dict[int, LaneFit]] = {}
        for at, lane in lanes.items():
            alike.setdefault(lane.training.options, {})[at] = lane
        pooled = data.pooled()
        for each in alike.values():
            training = LaneTraining(self._parameters, self._seed, each, pooled)
            with closing(training.run()) as ended:
                for trained in ended:
                    yield trained.number, scored(trained, self._predictor)

    def _record(self, fit: FitCall, data: FoldData) -> LaneFit:
        seed = seeds_of(self._seed, FOLDS, fit.split + 1)[-1]
        found: list[tuple[Any, RecordedFit]] = []

        def build(_: HyperParameters) -> keras.Model:
            found.append(recorded_fit(fit, fit.candidate.params))
            return found[-1][1].model

        build_model(build, HyperParameters(), seed)  # in a global state of its own
        estimator, recorded = found[-1]
        training = NetworkTraining.of(recorded)
        if id(recorded.model) in self._models:
            raise RunsAlone("all fits of the estimator train the same model")
        self._models.add(id(recorded.model))
        split = data.add(fit.split, training, np.asarray(fit.call[2]["train"]))
        return LaneFit(fit, estimator, recorded, training, split)
