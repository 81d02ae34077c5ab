"""Parts of the Gaussian process model, compared with exact results."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import norm, spearmanr

from paceline.core import Configuration, Measurement, Objective, Trial, TrialState
from paceline.search.bayes.acquisition import FantasizedCandidates, log_expected_improvement
from paceline.search.bayes.coordinates import Array, coordinates
from paceline.search.bayes.gaussian_process import GaussianProcess, Observations, energy, start
from paceline.search.bayes.kernel import Kernel
from paceline.search.bayes.subset import spread_out
from paceline.search.bayes.trial_losses import gather
from paceline.search.bayes.warp import Warp
from paceline.space import Boolean, Choice, Condition, Float, Int, Space

SPACE = Space(
    [
        Choice("optimizer", ["adam", "sgd", "lion"]),
        Float("rate", 1e-4, 1e-1, sampling="log"),
        Float("momentum", 0.0, 0.9, conditions=[Condition("optimizer", "sgd")]),
        Boolean("nesterov", conditions=[Condition("optimizer", "sgd")]),
        Int("layers", 1, 4),
        Int("units", 8, 512, sampling="log"),
    ]
)
LOSS = Objective("loss", "minimize")


def model(n: int, seed: int = 0) -> tuple[Kernel, Observations, Array]:
    kernel, rng = Kernel(coordinates(SPACE)), np.random.default_rng(seed)
    Z = coordinates(SPACE).settle(rng.random((n, len(SPACE))))
    theta = start(kernel) + rng.normal(0, 0.3, kernel.num_parameters + 1)
    seen = Observations(kernel.features(Z), rng.standard_normal(n), rng.random(n), np.ones(n))
    return kernel, seen, theta


def test_settled_coordinates_equal_those_of_the_configuration() -> None:
    places = coordinates(SPACE)
    Z = places.settle(np.random.default_rng(0).random((200, len(SPACE))))
    np.testing.assert_allclose(places.rows([places.config(z) for z in Z]), Z, atol=1e-9)


def test_distances_between_configurations() -> None:
    kernel = Kernel(coordinates(SPACE))
    theta = start(kernel)
    theta[: kernel.num_lengths] = 0.0
    theta[-2] = -50.0  # no additive part; theta ends with the noise
    base = {
        "optimizer": "sgd",
        "rate": 1e-3,
        "momentum": 0.0,
        "nesterov": False,
        "layers": 1,
        "units": 8,
    }
    others = [
        {**base, "momentum": 0.9},  # across the arc of rho = 1/2: 2 (1 - cos(pi / 2))
        {**base, "nesterov": True},  # one category
        {
            **base,
            "optimizer": "adam",
        },  # itself, one arc and one category that are inactive on one side
    ]
    rows = coordinates(SPACE).rows([SPACE.complete(config) for config in (base, *others)])
    x = kernel.features(rows)
    phi = kernel.with_parameters(theta[:-1]).embed(x)
    np.testing.assert_allclose(((phi[1:] - phi[0]) ** 2).sum(1), [2.0, 1.0, 3.0], atol=1e-9)


def test_the_gradient_of_the_fit() -> None:
    kernel, seen, theta = model(25)

    def at(parameters: Array) -> float:
        return energy(parameters, kernel, seen)[0]

    numeric = approx_fprime(theta, at, 1e-6)
    np.testing.assert_allclose(energy(theta, kernel, seen)[1], numeric, rtol=1e-4, atol=1e-3)


def test_leave_one_out_equals_refitting_without_each() -> None:
    kernel, seen, theta = model(12)
    total = 0.0
    for out in range(12):
        rest = np.delete(np.arange(12), out)
        mean, variance = GaussianProcess.of(kernel, seen[rest], theta).at(seen.x[[out]])
        ours = norm.logpdf(
            seen.y[out], mean[0], np.sqrt(variance[0] + np.exp(theta[-1]) + seen.v[out] + 1e-6)
        )
        y = seen.y[rest]
        total += ours - norm.logpdf(seen.y[out], y.mean(), np.sqrt(y.var() * 12 / 10))
    assert GaussianProcess.of(kernel, seen, theta).advantage() == pytest.approx(
        total / 12, abs=1e-6
    )


def test_conditioning_step_by_step_equals_conditioning_at_once() -> None:
    kernel, seen, theta = model(15)
    pool = kernel.features(
        coordinates(SPACE).settle(np.random.default_rng(9).random((30, len(SPACE))))
    )
    surrogate = GaussianProcess.of(kernel, seen, theta)
    candidates = FantasizedCandidates(surrogate, pool, np.zeros((3, 4)))
    candidates.condition(np.array([3]))
    candidates.condition(np.array([7, 20]))
    taken = [3, 7, 20]
    joined = Observations(
        seen.x.joined(pool[taken]),
        np.append(seen.y, np.zeros(3)),
        np.append(seen.v, np.full(3, -np.exp(theta[-1]))),  # their values are without noise
        np.ones(18),
    )
    exact = GaussianProcess.of(kernel, joined, theta).at(pool)[1]
    others = np.delete(np.arange(30), taken)
    np.testing.assert_allclose(candidates.variance[others], exact[others], rtol=1e-4)
    np.testing.assert_allclose(
        candidates.log_improvement(30)[others],
        candidates.log_improvement_of(pool[others]),
        rtol=1e-6,
        atol=1e-6,
    )


@given(st.floats(-30, 6), st.floats(0.01, 10))
def test_log_expected_improvement(z: float, deviation: float) -> None:
    exact = quad(
        lambda t: t * np.exp(-z * t - t * t / 2), 0, max(3.0, 40 / max(1, -z), 2 * abs(z) + 12)
    )[0]
    exact = (
        np.log(exact)
        if z <= 0
        else np.log(z * norm.cdf(z) + norm.pdf(z)) + z * z / 2 + 0.5 * np.log(2 * np.pi)
    )
    if z <= 0:  # t is the improvement in standard deviations, exp(-z^2/2) / sqrt(2 pi) taken out
        exact = np.log(quad(lambda t: t * np.exp(z * t - t * t / 2), 0, 12)[0])
    expected = exact - z * z / 2 - 0.5 * np.log(2 * np.pi) + np.log(deviation)
    found = log_expected_improvement(
        np.array([-z * deviation]), np.array([deviation]), np.array(0.0)
    )[0]
    assert found == pytest.approx(expected, abs=1e-5)


def test_log_expected_improvement_far_out_is_finite_and_falls() -> None:
    found = log_expected_improvement(np.logspace(0, 8, 200), np.ones(200), np.zeros(200))
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
@settings(deadline=None)
def test_a_warp_keeps_the_order(losses: list[float]) -> None:
    values = np.array(losses)
    warped = Warp.of(values)(values)
    assert np.isfinite(warped).all()
    assert (np.diff(warped[np.argsort(values, kind="stable")]) >= 0).all()


def trial(
    number: int, reach: int, level: float, state: str = "stopped", rank: float = 1.0
) -> Trial:
    """At epoch 3 its loss is 1 + rank, at epoch 9 its level."""
    losses = {1: 5.0, 3: 1 + rank, 9: level}
    measured = tuple(
        Measurement(e, {"loss": loss}, 0.0) for e, loss in losses.items() if e <= reach
    )
    config: Configuration = {
        "optimizer": "adam",
        "rate": 1e-3 + 1e-6 * number,
        "layers": 1,
        "units": 8,
    }
    score = level if state == "completed" else None
    return Trial(number, config, 0, 9, TrialState(state), measurements=measured, score=score)


def test_losses_of_stopped_trials_are_predicted() -> None:
    rng = np.random.default_rng(0)
    levels = rng.random(40)
    trials = [
        trial(n, 9 if n < 12 else 3, level, "completed" if n < 12 else "stopped", level)
        for n, level in enumerate(levels.tolist())
    ]
    observed = gather(trials, LOSS, 10)
    assert (observed.v[:12] == 0).all()
    assert (observed.v[12:] > 0).all()
    assert spearmanr(observed.y[12:], levels[12:]).statistic > 0.9
    # Where early losses say nothing of late ones, they count for less
    luck = [
        trial(n, t.measurements[-1].epoch, levels[n], t.state, float(rng.random()))
        for n, t in enumerate(trials)
    ]
    assert gather(luck, LOSS, 10).v[12:].mean() > 3 * observed.v[12:].mean()


def repeated(number: int, score: float, spread: float) -> Trial:
    """A trial of three trainings, at rate 10^-1 to 10^-4."""
    config = SPACE.complete({"rate": 10 ** -(1 + 3 * number / 14)})
    scores = (score - spread, score, score + spread)
    return Trial(number, config, 0, 9, TrialState.COMPLETED, score=score, scores=scores)


def test_a_score_with_a_large_standard_error_moves_the_model_less() -> None:
    kernel, places = Kernel(coordinates(SPACE)), coordinates(SPACE)
    curve = [0.1 * number for number in range(15)]

    def expected(spread: float) -> float:
        """At the trial in the middle, whose score is much too low."""
        trials = [
            repeated(n, -0.5 if n == 7 else y, spread if n == 7 else 0.01)
            for n, y in enumerate(curve)
        ]
        observed = gather(trials, LOSS, 10)
        seen = Observations(
            kernel.features(places.rows(observed.configs)), observed.y, observed.v, observed.w
        )
        return float(GaussianProcess.of(kernel, seen, start(kernel)).smoothed[7])

    careful, middling, careless = expected(0.01), expected(0.3), expected(1.0)
    assert careful + 0.1 < middling < careless - 0.1


def test_known_noise_is_shared_and_shrunk() -> None:
    once = gather([replace(repeated(n, 0.1 * n, 0.1), scores=()) for n in range(10)], LOSS, 10)
    assert (once.v == 0).all()
    agreeing = [repeated(n, 0.1 * n, 0.0 if n == 0 else 0.1) for n in range(9)]
    observed = gather([*agreeing, replace(repeated(9, 0.9, 0.0), scores=())], LOSS, 10)
    v = observed.v[:5]  # of the good half, where a unit of loss is a unit of the model everywhere
    assert 0.5 * v[1] < v[0] < v[1]  # three that agree by chance are not without noise
    assert v[1] == pytest.approx(v[4])
    assert observed.v[9] > 2 * v[1]  # trained once, noisier than three times


def test_failures_replicates_and_trials_under_way() -> None:
    trials = [trial(n, 9, 0.1 * n, "completed") for n in range(6)]
    twin = Trial(6, trials[0].config, 1, 9, TrialState.COMPLETED, score=0.2)
    diverged = trial(7, 9, float("nan"), "completed")
    failed = Trial(8, {"rate": 0.1}, 0, 9, TrialState.FAILED)
    waiting = Trial(9, {"rate": 0.05}, 0, 9, TrialState.WAITING)
    observed = gather([*trials, twin, diverged, failed, waiting], LOSS, 10)
    assert len(observed) == 8
    assert observed.w.tolist() == [0.5, *[1.0] * 7]
    assert observed.y[-1] == observed.y[-2] > observed.y[:-2].max()
    assert observed.pending == (waiting.config,)
    assert observed.num_finite == 7
    assert len(gather(trials, None, 10)) == 0


def test_a_subset_keeps_the_best_and_the_newest() -> None:
    rng = np.random.default_rng(0)
    Z, y = rng.random((1000, 3)), rng.random(1000)
    rows = spread_out(Z, y, 100)
    assert len(set(rows.tolist())) == 100
    assert set(range(980, 1000)) <= set(rows.tolist())
    assert set(np.argsort(y)[:35].tolist()) <= set(rows.tolist())


def test_smoothed_scores_are_posterior_means() -> None:
    kernel, seen, theta = model(20)
    surrogate = GaussianProcess.of(kernel, seen, theta)
    mean, variance = surrogate.at(seen.x)
    np.testing.assert_allclose(surrogate.smoothed, mean, atol=1e-9)
    np.testing.assert_allclose(surrogate.doubt, variance, atol=1e-9)
