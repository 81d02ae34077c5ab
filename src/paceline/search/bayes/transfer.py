"""Transfer from an earlier study on a similar task: its trials, shifted, scaled and down-weighted.

Its relevance is measured: a model of the source alone predicts the study's own trials, and rho is
the rank correlation of the two. The source's observations then count as y = rho y_source with
variance 1 - rho^2 beside the noise, as for a correlated task. Below `_LEAST_RHO` they are ignored.

| symbol | meaning |
| --- | --- |
| rho | correlation of the source's losses with own ones; `_BELIEVED` below `_ENOUGH` own trials |
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from paceline.core import Configuration, InvalidInput
from paceline.search.bayes import gaussian_process
from paceline.search.bayes.coordinates import Array, coordinates
from paceline.search.bayes.gaussian_process import GaussianProcess, Observations
from paceline.search.bayes.kernel import Kernel
from paceline.search.bayes.warp import Warp
from paceline.space import Space

Source = tuple[tuple[Configuration, float], ...]

_ENOUGH, _BELIEVED, _LEAST_RHO, _MOST = 8, 0.5, 0.3, 100


def usable(space: Space, source: Source) -> tuple[tuple[Configuration, ...], Array]:
    """The source's trials that this space can represent, the best first, at most 100, warped.

    Values of unknown hyperparameters are dropped; missing ones are the defaults; trials with an
    illegal value are ignored.
    """
    found: list[tuple[float, Configuration]] = []
    for config, loss in source:
        if not math.isfinite(loss) or not any(name in space for name in config):
            continue
        try:
            found.append(
                (
                    loss,
                    space.complete(
                        {name: value for name, value in config.items() if name in space}
                    ),
                )
            )
        except InvalidInput:
            continue
    found.sort(key=lambda pair: pair[0])
    if not found:
        return (), np.empty(0)
    y = Warp.of(np.array([loss for loss, _ in found]))(np.array([loss for loss, _ in found]))
    # The best third completely, the rest thinned evenly: bad regions need fewer points
    best = min(len(found), _MOST // 3)
    spread = (
        np.linspace(best, len(found) - 1, min(len(found) - best, _MOST - best)).astype(int).tolist()
    )
    rows = [*range(best), *spread]
    return tuple(found[row][1] for row in rows), y[rows]


class EarlierStudy:
    """A model of the source alone.

    Args:
        space: of the study that learns from it.
        source: pairs of a configuration and its loss.
    """

    def __init__(self, space: Space, source: Source) -> None:
        self.configs, self.y = usable(space, source)
        self._coordinates = coordinates(space)
        self._model: GaussianProcess | None = None
        if len(self.configs) >= 3:
            kernel = Kernel(self._coordinates)
            self.Z = self._coordinates.rows(self.configs)
            ones = np.ones(len(self.y))
            seen = Observations(kernel.features(self.Z), self.y, 0.0 * ones, ones)
            self._kernel = kernel
            self._model = GaussianProcess.of(
                kernel, seen, gaussian_process.fit(kernel, seen, [gaussian_process.start(kernel)])
            )

    def best(self, count: int) -> tuple[Configuration, ...]:
        """Its best configurations."""
        return self.configs[:count]

    def joined(self, kernel: Kernel, Z: Array, seen: Observations) -> Observations:
        """Own observations at settled coordinates Z, and the source's as far as they agree."""
        rho = self._agreement(Z, seen.y)
        if rho == 0:
            return seen
        ones = np.ones(len(self.y))
        # A correlated task predicts rho y and leaves a variance of 1 - rho^2
        x, y, v = seen.x.joined(kernel.features(self.Z)), rho * self.y, (1 - rho**2) * ones
        return Observations(x, np.append(seen.y, y), np.append(seen.v, v), np.append(seen.w, ones))

    def _agreement(self, Z: Array, y: Array) -> float:
        """rho; 0 if the source is of no use."""
        if self._model is None:
            return 0.0
        if len(y) < _ENOUGH:
            return _BELIEVED
        from scipy.stats import rankdata

        predicted = self._model.at(self._kernel.features(Z))[0]
        ranks = rankdata(predicted), rankdata(y)
        if min(np.ptp(ranks[0]), np.ptp(ranks[1])) == 0:
            return 0.0
        rho = float(np.corrcoef(*ranks)[0, 1])
        return min(rho, 0.95) if rho > _LEAST_RHO else 0.0


@lru_cache(maxsize=2)
def _cached(
    space: Space, source: tuple[tuple[tuple[tuple[str, object], ...], float], ...]
) -> EarlierStudy:
    return EarlierStudy(space, tuple((dict(config), loss) for config, loss in source))  # type: ignore[arg-type]


def earlier(space: Space, source: Source) -> EarlierStudy:
    """The model of a source, cached."""
    return _cached(space, tuple((tuple(config.items()), loss) for config, loss in source))


def check_source(source: Iterable[tuple[Configuration, float]] | Mapping[str, object]) -> Source:
    """Validates a source and returns it as frozen pairs.

    Raises:
        InvalidInput: not pairs of a configuration and a number.
    """
    pairs = []
    for entry in source:
        if (
            not isinstance(entry, tuple | list)
            or len(entry) != 2
            or not isinstance(entry[0], Mapping)
        ):
            raise InvalidInput(
                f"source contains {entry!r}", expected="pairs of a configuration and its loss"
            )
        pairs.append((dict(entry[0]), float(entry[1])))
    return tuple(pairs)
