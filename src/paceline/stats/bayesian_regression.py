"""A Bayesian model of the loss over configurations and epochs, evaluated at the full length.

Linear regression on orthonormal functions of the configuration (see `basis_functions`), with
coefficients that change with the epochs:

    y = level(r) + sum_k c_k(r) phi_k(x) + s(r) u + e
    c_k(r) = s(r) a_k + h b_k + (1 - h) d_k + 4 h (1 - h) g_k,   s(r) = 1 + (S - 1) h

for a trial of configuration x after r epochs, where h is the share of the way to the full length
that remains: 1 after the first epochs, 0 at the end, by a power law of unknown exponent. The effect
of a hyperparameter is lasting (a), early (b), late (d) or intermediate (g); pairs have a lasting
part only. The coefficients at the full length are a + d. A trial that was stopped early contributes
as far as the effects of others lasted, which the width of the posterior reflects: nothing else is
assumed of trials that a schedule stopped or a search chose, since both depend on measurements only.

The variances of the groups of coefficients are unknown. They have half-Cauchy priors (Gelman 2006)
in the form of Makalic and Schmidt 2016, those of pairs with a common factor, and all unknowns are
drawn by Gibbs sampling; all coefficients at once as in Bhattacharya, Chakraborty, Mallick 2016. The
decay of coefficients with the degree is one of three choices for each hyperparameter.

| symbol | meaning |
| --- | --- |
| n, P, J | losses; functions; columns |
| X | columns, shape [n, J]: functions times their dependence on epochs |
| v, w | variance of the coefficients of a group; relative variance of a coefficient |
| q | noise variance of a single loss |
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from paceline.stats.axes import Array
from paceline.stats.basis_functions import BasisFunctions
from paceline.stats.scales import ScaledLosses, remaining_share
from paceline.stats.table import Table

DRAWS, _BURN_IN = 200, 100

_POWERS = (0.15, 0.5, 1.0, 1.8)  # of h
_SMOOTHNESS = (0.7, 1.5, 3.0)  # degrees from which coefficients decay
_OF_PAIRS = 2.0  # smoothness of both functions of a product
_LEVEL = 9.0  # variance of the level, and of each epoch's own
# scales of the priors of deviations
_SINGLE, _PAIR, _CHANGE, _BETWEEN, _TRIAL = 1.0, 0.2, 0.5, 0.1, 0.2
_LOG_SCALE, _STEP = 0.7, 0.3  # deviation of log S, and of its proposals
_MIN_VARIANCE, _MIN_NOISE = 1e-8, 1e-5


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from the posterior.

    Attributes:
        coefficients: at the full length, in units of the scaled losses, shape [draws, P].
        level: mean loss at the full length, scaled, shape [draws].
        noise: variance that configurations do not explain: of seeds, and beyond the functions,
            shape [draws].
        left_out: prediction of each loss from the losses of all other trials, shape [n].
    """

    coefficients: Array
    level: Array
    noise: Array
    left_out: Array


def sample_posterior(table: Table, functions: BasisFunctions, scaled: ScaledLosses) -> Posterior:
    """Draws from the posterior; deterministic for a given table."""
    import scipy.linalg  # noqa: F401 - loads the library whose threads are limited
    from threadpoolctl import threadpool_limits

    # for reproducible sums; small matrices gain nothing from more threads
    with threadpool_limits(1, user_api="blas"):
        return _Sampler(
            _Columns(table, functions), scaled.y, np.random.default_rng([table.seed, DRAWS])
        ).run()


class _Columns:
    """The columns: levels, a of all functions, b, d and g of single ones, then trials.

    Attributes:
        of: the group of each column, from 0; the levels are groups 0 and 1, the trials the last
            one, shape [J].
        scales: of the priors of the groups' deviations.
    """

    def __init__(self, table: Table, functions: BasisFunctions) -> None:
        self.functions, self.num_losses = functions, len(table.losses)
        self._epochs = table.epochs
        self.changes = len(np.unique(table.epochs)) > 1
        of_epoch = np.unique(table.epochs, return_inverse=True)[1]
        self._levels = np.column_stack(
            [np.ones(len(of_epoch)), np.eye(of_epoch.max() + 1)[of_epoch]]
        )
        self._values = functions.values(table.cells, table.active)
        repeated = self.changes and table.num_trials < len(table.losses)
        self._trials = np.eye(table.num_trials)[table.trials][:, : table.num_trials * repeated]
        self.trials = table.trials
        self.num_groups = len(functions.groups)
        self.num_single, d = functions.num_single, len(functions.axes)
        single = functions.of[: self.num_single]
        parts = [np.zeros(1), np.ones(self._levels.shape[1] - 1), 2 + functions.of]
        kinds = 3 if self.changes else 0
        parts += [2 + self.num_groups + kind * d + single for kind in range(kinds)]
        last = 2 + self.num_groups + kinds * d
        self.of = np.concatenate([*parts, np.full(self._trials.shape[1], last)]).astype(np.intp)
        scales = [*[_LEVEL**0.5] * 2, *[_SINGLE] * d, *[_PAIR] * (self.num_groups - d)]
        scales += [*[_CHANGE] * (2 * d), *[_BETWEEN] * d][: kinds * d]
        self.scales = np.array([*scales, _TRIAL])
        self.pairs = slice(2 + d, 2 + self.num_groups)

    @property
    def lasting(self) -> slice:
        """The slice of the coefficients a."""
        first = self._levels.shape[1]
        return slice(first, first + len(self.functions.of))

    @cached_property
    def single_blocks(self) -> list[slice]:
        """Slices of the coefficients of single hyperparameters: a, and b, d and g if present."""
        size, first = self.num_single, self.lasting.stop
        blocks = [
            slice(first + kind * size, first + (kind + 1) * size)
            for kind in range(3 * self.changes)
        ]
        return [slice(self.lasting.start, self.lasting.start + size), *blocks]

    def values(self, log_scale: float, power: int) -> Array:
        """Computes X."""
        if not self.changes:
            return np.concatenate([self._levels, self._values, self._trials], axis=1)
        h = remaining_share(self._epochs, _POWERS[power])[:, None]
        s = 1 + np.expm1(log_scale) * h
        single = self._values[:, : self.num_single]
        changing = [single * h, single * (1 - h), single * (4 * h * (1 - h))]
        return np.concatenate([self._levels, self._values * s, *changing, self._trials * s], axis=1)

    def at_full_length(self, coefficients: Array) -> tuple[Array, float]:
        """The coefficients of functions at the full length, shape [P], and the level."""
        found = coefficients[self.lasting].copy()
        if self.changes:
            found[: self.num_single] += coefficients[self.single_blocks[2]]
        return found, float(coefficients[0] + coefficients[self._levels.shape[1] - 1])


def _decay(degrees: npt.NDArray[np.intp], smoothness: float) -> Array:
    """Relative variance of coefficients by their degree; 1 for a categorical hyperparameter."""
    return np.where(degrees > 0, 1 / (1 + (degrees / smoothness) ** 2) ** 2, 1.0)


def _relative(columns: _Columns) -> tuple[Array, Array]:
    """w of each column, and of single functions by smoothness, shape [choices, num_single]."""
    groups = columns.functions.groups
    d = len(columns.functions.axes)
    choices = []
    for smoothness in _SMOOTHNESS:
        shares = [_decay(group.degrees[0], smoothness) for group in groups[:d]]
        choices.append(np.concatenate([share / max(share.sum(), 1e-12) for share in shares]))
    w = np.ones(len(columns.of))
    if len(groups) > d:
        pairs = [
            4 * _decay(np.maximum(group.degrees, 1), _OF_PAIRS).prod(axis=0) for group in groups[d:]
        ]
        w[columns.lasting.start + columns.num_single : columns.lasting.stop] = np.concatenate(pairs)
    return w, np.array(choices)


@dataclass(frozen=True, slots=True)
class _Hyperparameters:
    """A draw of all but the coefficients: logarithms of v, q and w; log S, and the power of h."""

    log_v: Array
    log_q: float
    log_w: Array
    log_scale: float
    power: int


class _Sampler:
    """A Gibbs sampler of all unknowns."""

    def __init__(self, columns: _Columns, y: Array, rng: np.random.Generator) -> None:
        self.columns, self.y, self.rng = columns, y, rng
        self.w, self.choices = _relative(columns)
        self._choose(np.ones(len(columns.functions.axes), dtype=np.intp))
        self.v = 0.3 * columns.scales**2
        self.v[0] = _LEVEL
        self.helpers = np.ones(len(self.v))
        self.factor, self.factor_helper = 1.0, 1.0  # of the pairs' scales, squared
        self.q = 0.1
        self.log_scale, self.power = 0.0, 1
        self.X = columns.values(self.log_scale, self.power)
        self.counts = np.bincount(columns.of, minlength=len(self.v))

    def run(self) -> Posterior:
        """Draws from the posterior."""
        kept: list[tuple[Array, float, float]] = []
        settings: list[_Hyperparameters] = []
        L = self._factored(self.X, self.v, self.q)
        for step in range(_BURN_IN + DRAWS):
            if self.columns.changes and step % 2 == 0:
                L = self._move(L, step)
            coefficients = self._coefficients(L)
            self._update(coefficients)
            L = self._factored(self.X, self.v, self.q)
            if step >= _BURN_IN:
                found, level = self.columns.at_full_length(coefficients)
                kept.append((found, level, self.q + self.v[-1] * bool(self.counts[-1])))
                settings.append(
                    _Hyperparameters(
                        np.log(self.v),
                        float(np.log(self.q)),
                        np.log(self.w),
                        self.log_scale,
                        self.power,
                    )
                )
        at_end, levels, noise = (np.array(part) for part in zip(*kept, strict=True))
        return Posterior(at_end, levels, noise, self._left_out(settings))

    def _factored(self, X: Array, v: Array, q: float) -> Array:
        """The Cholesky factor of the covariance of the losses."""
        from scipy.linalg import blas, lapack

        weighted = X * np.sqrt(v[self.columns.of] * self.w)
        K = blas.dsyrk(1.0, weighted.T, trans=1, lower=1)
        K[np.diag_indices_from(K)] += q
        L: Array = lapack.dpotrf(K, lower=1, overwrite_a=1)[0]
        return L

    def _log_likelihood(self, L: Array) -> float:
        from scipy.linalg import lapack

        z = lapack.dtrtrs(L, self.y, lower=1)[0]
        return float(-0.5 * z @ z - np.log(np.diagonal(L)).sum())

    def _move(self, L: Array, step: int) -> Array:
        """Proposes another S or power of h (Metropolis); returns the factor of what is kept."""
        log_scale, power = self.log_scale, self.power
        if step % 4:
            power += int(self.rng.choice([-1, 1]))
        else:
            log_scale += _STEP * self.rng.standard_normal()
        if not 0 <= power < len(_POWERS):
            return L
        X = self.columns.values(log_scale, power)
        other = self._factored(X, self.v, self.q)
        gain = self._log_likelihood(other) - self._log_likelihood(L)
        gain -= 0.5 * (log_scale**2 - self.log_scale**2) / _LOG_SCALE**2
        if np.log(self.rng.random()) >= gain:
            return L
        self.log_scale, self.power, self.X = log_scale, power, X
        return other

    def _coefficients(self, L: Array) -> Array:
        """Draws all coefficients: a draw from the prior, corrected by its residuals."""
        from scipy.linalg import lapack

        variances = self.v[self.columns.of] * self.w
        drawn = np.sqrt(variances) * self.rng.standard_normal(len(variances))
        off = self.y - self.X @ drawn - np.sqrt(self.q) * self.rng.standard_normal(len(self.y))
        moved: Array = drawn + variances * (self.X.T @ lapack.dpotrs(L, off, lower=1)[0])
        return moved

    def _update(self, coefficients: Array) -> None:
        """Draws the variances, given the coefficients."""
        columns, rng = self.columns, self.rng
        self._choose(self._smoothness(coefficients))
        squares = np.bincount(columns.of, coefficients**2 / self.w, minlength=len(self.v))
        drawn = (1 / self.helpers + squares / 2) / rng.gamma((self.counts + 1) / 2)
        self.v = np.maximum(drawn, _MIN_VARIANCE)
        self.v[0] = _LEVEL
        scales = columns.scales**2
        scales[columns.pairs] *= self.factor
        self.helpers = (1 / scales + 1 / self.v) / rng.gamma(1.0, size=len(self.v))
        of_pairs = 1 / (columns.scales[columns.pairs] ** 2 * self.helpers[columns.pairs])
        shape = (len(of_pairs) + 1) / 2
        self.factor = float((1 / self.factor_helper + of_pairs.sum()) / rng.gamma(shape))
        self.factor_helper = (1 + 1 / self.factor) / rng.gamma(1.0)
        rest = self.y - self.X @ coefficients
        squares_left = 0.01 + 0.5 * float(rest @ rest)
        self.q = max(squares_left / float(rng.gamma(1 + len(rest) / 2)), _MIN_NOISE)

    def _smoothness(self, coefficients: Array) -> npt.NDArray[np.intp]:
        """Draws a smoothness for each hyperparameter."""
        d = len(self.columns.functions.axes)
        of = self.columns.functions.of[: self.columns.num_single]
        logs = np.zeros((len(_SMOOTHNESS), d))
        for block in self.columns.single_blocks:
            variances = self.v[self.columns.of[block]] * self.choices
            each = -0.5 * np.log(variances) - 0.5 * coefficients[block] ** 2 / variances
            logs += [np.bincount(of, block_logs, minlength=d) for block_logs in each]
        chances = np.exp(logs - logs.max(axis=0))
        chances /= chances.sum(axis=0)
        chosen = (self.rng.random(d) > np.cumsum(chances, axis=0)).sum(axis=0)
        return np.asarray(np.minimum(chosen, len(_SMOOTHNESS) - 1))

    def _choose(self, choice: npt.NDArray[np.intp]) -> None:
        """Sets w of the functions of single hyperparameters."""
        of = self.columns.functions.of[: self.columns.num_single]
        self.w = self.w.copy()
        for block in self.columns.single_blocks:
            self.w[block] = self.choices[choice[of], np.arange(len(of))]

    def _left_out(self, settings: "list[_Hyperparameters]") -> Array:
        """Predicts each trial's losses from all others, at the middle of the draws of variances."""
        from scipy.linalg import lapack

        self.w = np.exp(np.mean([draw.log_w for draw in settings], axis=0))
        v = np.exp(np.mean([draw.log_v for draw in settings], axis=0))
        q = math.exp(sum(draw.log_q for draw in settings) / len(settings))
        log_scale = sum(draw.log_scale for draw in settings) / len(settings)
        power = sorted(draw.power for draw in settings)[len(settings) // 2]
        L = self._factored(self.columns.values(log_scale, power), v, q)
        inverse = lapack.dpotri(L, lower=1)[0]
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        residuals = inverse @ self.y
        found = self.y.copy()
        for trial in range(int(self.columns.trials.max()) + 1):
            rows = np.flatnonzero(self.columns.trials == trial)
            found[rows] -= np.linalg.solve(inverse[np.ix_(rows, rows)], residuals[rows])
        return found
