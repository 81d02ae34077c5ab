"""Several engines for one study: their messages, and the driver over engines in threads."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.execute.engine_threads import FACTS, Loses, Threads
from tests.execute.test_execute_engine_streams import Batches

from paceline.core import Configuration, InvalidInput, Objective, PacelineError, TrialState
from paceline.core.events import (
    EpochMeasured,
    Noted,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.execute import (
    Executor,
    ExecutorUpdate,
    Job,
    NetworkWork,
    TrainingConfig,
    TrialSnapshot,
)
from paceline.execute.engines.contents import (
    Jobs,
    error_content,
    error_of,
    jobs_message,
    jobs_of,
    learned_message,
    learned_of,
    update_message,
    update_of,
)
from paceline.execute.engines.driver import EngineExecutor
from paceline.execute.engines.engine import Open
from paceline.execute.engines.messages import Message, decoded, encoded
from paceline.execute.engines.shared_space import SharedSpace
from paceline.execute.engines.work_coding import decoded_work, encoded_work
from paceline.execute.found_in_build import FoundInBuild
from paceline.execute.simulated import Curve, SimulatedExecutor
from paceline.space import Choice, Float, Int, Observation, Space
from paceline.testing.executors import ExecutorContract, TrialLog, finish, small_network
from paceline.train.array_feed import PooledData, TrainingData
from paceline.train.stream_feed import DatasetBatches, StreamFeed

# -- messages

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_TYPES = ["f2", "f4", "f8", "i1", "i8", "u2", "?", "c8", "c16", ">f4", "bfloat16"]


@st.composite
def _arrays(draw: st.DrawFn) -> np.ndarray:
    name = draw(st.sampled_from(_TYPES))
    dtype = np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)
    shape = draw(arrays.array_shapes(min_dims=0, min_side=0, max_side=3))
    values = draw(st.integers(0, 255))
    found = np.full(shape, values % 2 if name == "?" else values, np.uint8).astype(dtype)
    return found.T if draw(st.booleans()) else found


@given(st.text(), st.dictionaries(st.text(), _JSON, max_size=3), st.lists(_arrays(), max_size=3))
def test_messages_survive_their_form_as_bytes(
    kind: str, content: dict[str, Any], own: list[np.ndarray]
) -> None:
    """Content and arrays are equal afterwards, with types, shapes and bytes."""
    found = decoded(encoded(Message(kind, content, own)))
    assert (found.kind, found.content) == (kind, content)
    assert len(found.arrays) == len(own)
    for array, before in zip(found.arrays, own, strict=True):
        assert (array.dtype, array.shape) == (before.dtype, before.shape)
        assert array.tobytes() == before.tobytes()


@pytest.mark.parametrize("data", [b"", b"{}", encoded(Message("a", {}, [np.zeros(3)]))[:-1]])
def test_other_bytes_are_refused(data: bytes) -> None:
    """What is no message, or only a part of one, is an error."""
    with pytest.raises(ValueError, match=r"no message|Expecting"):
        decoded(data)


def _sent(message: Message) -> Message:
    return decoded(encoded(message))


def test_jobs_and_updates_survive_their_messages() -> None:
    """With snapshots, scores that are not finite, results and events."""
    leaves = [np.arange(3.0), np.array(7, np.uint32)]
    snapshot = TrialSnapshot(2, 0.5, leaves, leaves[:1])
    config: Configuration = {"units": 3, "rate": 0.1, "on": True, "kind": "relu"}
    jobs = Jobs(
        4, [Job(5, config, 9, 8, until=3, split=1)], {5: snapshot}, {5: [0.1, math.nan]}, (2,)
    )
    found = jobs_of(_sent(jobs_message(jobs)))
    assert (found.number, tuple(found.jobs), found.resting) == (4, tuple(jobs.jobs), (2,))
    assert [type(value) for value in found.jobs[0].config.values()] == [int, float, bool, str]
    np.testing.assert_equal(found.scores, jobs.scores)
    _check_equal(found.snapshots[5], snapshot)
    events = (
        TrialStarted(5, "program", config),
        EpochMeasured(5, 3, {"loss": math.nan, "val": math.inf}, 0.7),
        TrialPaused(5, "it waits"),
        TrialEnded(5, TrialState.COMPLETED, 0.25, 3, ""),
        Noted("a note"),
    )
    update = ExecutorUpdate(
        events, {5: leaves}, {5: snapshot}, InvalidInput("a", expected="b", fix="c")
    )
    again = update_of(_sent(update_message(update)), "host:1")
    measured = again.events[1]
    assert isinstance(measured, EpochMeasured)
    assert math.isnan(measured.metrics["loss"])
    assert measured.metrics["val"] == math.inf
    assert [e for e in again.events if not isinstance(e, EpochMeasured)] == [
        e for e in events if not isinstance(e, EpochMeasured)
    ]
    assert again.worker == "host:1"
    _check_equal(again.snapshots[5].load(), snapshot)
    assert all(map(np.array_equal, again.results[5], leaves))
    assert str(again.error) == str(update.error)
    assert isinstance(again.error, InvalidInput)


def test_errors_keep_their_text() -> None:
    """Of Paceline's errors the message, of others the type and the traceback."""
    assert str(error_of(error_content(PacelineError("it is so")))) == "it is so"
    try:
        raise KeyError("name")
    except KeyError as error:
        found = error_of(error_content(error))
    assert str(found) == "KeyError: 'name'"
    assert "test_errors_keep_their_text" in "".join(found.__notes__)


def _check_equal(one: TrialSnapshot, other: TrialSnapshot) -> None:
    assert (one.epoch, one.seconds) == (other.epoch, other.seconds)
    for a, b in zip(
        (*one.leaves, *(one.best or ())), (*other.leaves, *(other.best or ())), strict=True
    ):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_work_survives_its_message() -> None:
    """The function, by name or by value, and data whose arrays are shared."""
    x, y = np.ones((6, 2), "float32"), np.arange(6)
    rows = np.arange(3), np.arange(3, 6)
    pool = PooledData.of(({"a": x}, y), ({"a": x}, y), {0: rows, 1: rows[::-1]})
    options = TrainingConfig(Objective("loss", "min"), 4, patience=2, keep="best", min_delta=0.1)
    space = Space([Int("units", 1, 4), Float("rate", 1e-3, 1.0, sampling="log")])
    factor = 3

    def build(_: Any) -> Any:
        return factor

    work = NetworkWork(
        build, [pool, pool], options, space, frozenset({"epochs"}), "jax", {"rate": False}
    )
    found: Any = decoded_work(*_content(work))
    assert found.build(None) == factor
    assert (found.options, found.space, found.loop_names) == (options, space, work.loop_names)
    first, second = found.data
    assert first is second
    assert first.train[0]["a"] is first.validation[0]["a"]
    assert list(first.splits) == [0, 1]
    np.testing.assert_array_equal(first.train[1], pool.train[1])
    data = TrainingData.of(([x, x], y), None)
    named: Any = decoded_work(*_content(NetworkWork(small_network, data, options, space)))
    assert named.build is small_network
    assert named.data.validation is None
    assert isinstance(named.data.train[0], list)


def _content(work: NetworkWork) -> tuple[Any, Any]:
    content, own = encoded_work(work, has_same_main=True)
    message = _sent(Message("start", content, own))
    return message.content, message.arrays


# -- the space


def test_what_builds_show_is_added_in_the_order_of_trials() -> None:
    """Whichever engine is faster, each hyperparameter comes from the first trial that has it."""

    def shown(trial: int, *names: str) -> FoundInBuild:
        new = tuple(Float(name, 0.0, 1.0) for name in names)
        return FoundInBuild(trial, new, Observation({"x": 0.5, **dict.fromkeys(names, 0.5)}))

    def spaces(order: list[int]) -> list[Any]:
        space = SharedSpace(Space([Float("x", 0.0, 1.0)]), None)
        for trial in range(3):
            space.expect(trial)
        events: list[Any] = []
        for trial in order:
            space.take(learned_of(_sent(learned_message(found[trial]))))
            space.built(trial)
            events += space.changes()
        return events

    found = [shown(0, "a"), shown(1, "b", "a"), shown(2, "b")]
    in_order = spaces([0, 1, 2])
    assert [event.trial for event in in_order] == [0, 1]
    assert [Space.from_json(event.space).names for event in in_order] == [
        ("x", "a"),
        ("x", "a", "b"),
    ]
    assert spaces([2, 1, 0]) == spaces([1, 0, 2]) == in_order


# -- the driver, over engines in threads whose training is simulated

_OPTIONS = TrainingConfig(Objective("loss", "min"))
_SPACE = Space([Choice("kind", ["a", "b"]), Float("x", 0.0, 1.0)])
_DATA = TrainingData.of((np.zeros((2, 1), "float32"), np.zeros(2, "float32")), None)


def _curve(config: Any) -> Curve:
    return [({"loss": config["x"] * 0.9**epoch}, 1.0 + epoch) for epoch in range(9)]


def _simulated(work: NetworkWork, _: object) -> tuple[Executor, None]:
    return SimulatedExecutor(_curve, work.options, num_lanes=2), None


def _refusing(_: NetworkWork, __: object) -> tuple[Executor, None]:
    raise InvalidInput("the work is odd", expected="other work")


@contextmanager
def _driver(
    count: int,
    loses: Loses = lambda _, __: False,
    one_by_one: bool = True,
    open_executor: Open = _simulated,
    is_streamed: bool = False,
    **options: Any,
) -> Iterator[tuple[EngineExecutor, Threads]]:
    data = StreamFeed(DatasetBatches(Batches()), None) if is_streamed else _DATA
    work = NetworkWork(small_network, data, _OPTIONS, _SPACE, one_by_one=one_by_one)
    supply = Threads(count, open_executor, loses, **options)
    executor = EngineExecutor(work, supply, FACTS)
    try:
        yield executor, supply
    finally:
        executor.close()


def _jobs(count: int, epochs: int = 4) -> list[Job]:
    return [
        Job(i, {"kind": "ab"[i % 2], "x": (i + 1) / 20}, 0, epochs=epochs) for i in range(count)
    ]


class TestEnginesContract(ExecutorContract):
    """The contract of executors, with two engines."""

    @pytest.fixture
    def make(self) -> Callable[[], Executor]:
        """Two engines in threads."""
        work = NetworkWork(small_network, _DATA, _OPTIONS, _SPACE)
        return lambda: EngineExecutor(work, Threads(2, _simulated), FACTS)

    @pytest.fixture
    def jobs(self) -> list[Job]:
        """Three trials."""
        return _jobs(3, epochs=3)


def _at(*places: tuple[int, str, int]) -> Loses:
    """Loses engines at the n-th message of a kind: (engine, kind, n)."""
    seen: dict[tuple[int, str], int] = {}

    def loses(number: int, message: Message) -> bool:
        key = number, message.kind
        seen[key] = seen.get(key, 0) + 1
        return (*key, seen[key]) in places

    return loses


def _trained(log: TrialLog, jobs: list[Job]) -> None:
    """Checks that each job was trained to its end, each epoch reported once and in order."""
    for job in jobs:
        own = log.measured[job.trial]
        assert [one.metrics["loss"] for one in own] == [
            metrics["loss"] for metrics, _ in _curve(job.config)[: job.epochs]
        ]
        assert log.ended[job.trial].state is TrialState.COMPLETED
        assert job.trial in log.results


_LOSSES = [
    [(0, "update", 1)],
    [(0, "update", 3), (1, "update", 2)],
    [(0, "state", 1), (2, "update", 5)],
    [(1, "ready", 1)],
    [(0, "hello", 1)],
]


@pytest.mark.parametrize("one_by_one", [True, False])
@pytest.mark.parametrize("places", _LOSSES, ids=str)
def test_a_lost_engine_costs_no_trial(places: list[tuple[int, str, int]], one_by_one: bool) -> None:
    """Its trials continue elsewhere; no epoch is missing, and none is reported twice."""
    jobs = _jobs(6)
    with _driver(2, _at(*places), one_by_one) as (executor, _):
        log = TrialLog()
        executor.submit(jobs, {}, {})
        finish(executor, log)
    _trained(log, jobs)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(20))
def test_engines_lost_at_random_cost_no_trial(seed: int) -> None:
    """Trials pause and continue while engines are lost at random updates."""
    rng = np.random.default_rng(seed)
    places = [(int(n), "update", int(rng.integers(1, 7))) for n in rng.permutation(5)[:2]]
    jobs = _jobs(8)
    with _driver(3, _at(*places)) as (executor, _):
        log = TrialLog()
        for until in (1, 3, 4):
            log.rests.clear()
            again = [Job(**{**_fields(job), "until": until}) for job in jobs]
            snapshots = {n: log.snapshots[n] for n in log.snapshots if n not in log.ended}
            scores = {n: log.scores(n, _OPTIONS.objective) for n in snapshots}
            executor.submit(again, snapshots, scores)
            finish(executor, log)
    _trained(log, jobs)


def _fields(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in ("trial", "config", "seed", "epochs")}


@pytest.mark.parametrize(("is_streamed", "culprit"), [(False, 2), (True, 0), (True, 2), (True, 5)])
def test_a_trial_that_ends_its_engines_fails_alone(is_streamed: bool, culprit: int) -> None:
    """After three engines in a row it has failed, with the reason; the others complete."""

    def loses(_: int, message: Message) -> bool:
        return message.kind == "update" and any(
            kind == "TrialStarted" and body["number"] == culprit
            for kind, body in message.content["events"]
        )

    jobs = _jobs(6)
    with _driver(2, loses, is_streamed=is_streamed) as (executor, supply):
        log = TrialLog()
        executor.submit(jobs, {}, {})
        finish(executor, log)
    assert log.ended[culprit].state is TrialState.FAILED
    assert "lost 3 times in a row; the last time: it was told to" in log.ended[culprit].reason
    _trained(log, [job for job in jobs if job.trial != culprit])
    assert len(supply.links) <= 5


def test_engines_that_cannot_start_are_an_error_after_two_tries() -> None:
    """With the cause and what to look at."""
    with _driver(1, lambda _, __: True) as (executor, supply):
        executor.submit(_jobs(2), {}, {})
        updates = executor.progress()
    assert str(updates[-1].error) == "it was told to, before it could begin. Look at the test."
    assert len(supply.links) == 2


def test_engines_that_refuse_the_work_are_an_error() -> None:
    """It is the one that was raised there."""
    with _driver(2, open_executor=_refusing) as (executor, _):
        executor.submit(_jobs(2), {}, {})
        update = executor.progress()[0]
    assert isinstance(update.error, InvalidInput)
    assert str(update.error) == "the work is odd; expected other work."


def test_engines_that_join_by_themselves_and_cannot_take_part_are_noted() -> None:
    """The study goes on with the others."""
    loses = _at((0, "hello", 1), (1, "hello", 1), (2, "ready", 1))
    with _driver(1, loses, starts_engines=False) as (executor, _):
        log, notes = TrialLog(), []
        executor.submit(_jobs(2), {}, {})
        while not executor.is_idle:
            for update in executor.progress():
                log.take(update)
                notes += [event.text for event in update.events if isinstance(event, Noted)]
    _trained(log, _jobs(2))
    assert [note.partition(":")[0] for note in notes] == [
        f"The engine thread {i} cannot take part" for i in range(3)
    ]


def test_engines_may_join_while_it_runs() -> None:
    """A further engine gets networks that no other has."""
    has_jobs = threading.Event()

    def loses(number: int, message: Message) -> bool:
        if (number, message.kind) == (1, "state"):
            has_jobs.set()
        if number == 0 and message.kind == "update":
            assert has_jobs.wait(600)
        return False

    jobs = _jobs(16)
    with _driver(1, loses, one_by_one=False) as (executor, supply):
        log = TrialLog()
        executor.submit(jobs, {}, {})
        while "jobs" not in [kind for link in supply.links for kind in link.sent]:
            executor.progress(0.0)
        supply.count = 2
        finish(executor, log)
    _trained(log, jobs)
    assert "jobs" in supply.links[1].sent


def test_paused_networks_continue_where_they_rest() -> None:
    """Their states are not sent again, and those of forgotten ones are freed."""
    jobs = _jobs(4)
    with _driver(2) as (executor, supply):
        log = TrialLog()
        executor.submit([Job(**{**_fields(job), "until": 2}) for job in jobs], {}, {})
        finish(executor, log)
        executor.forget([0])
        log.rests.clear()
        scores = {n: log.scores(n, _OPTIONS.objective) for n in (1, 2, 3)}
        executor.submit(jobs[1:], {n: log.snapshots[n] for n in (1, 2, 3)}, scores)
        finish(executor, log)
    _trained(log, jobs[1:])
    assert any("forget" in link.sent for link in supply.links)


def test_trials_may_move_between_engines_again_and_again() -> None:
    """An engine to which a trial returns does not take up its old state."""
    jobs = _jobs(6, epochs=8)
    rng = np.random.default_rng(0)
    with _driver(3) as (executor, supply):
        log = TrialLog()
        until = dict.fromkeys(range(6), 0)
        while len(log.ended) < len(jobs):
            open_jobs = [job for job in jobs if job.trial not in log.ended]
            going = [job for job in open_jobs if rng.random() < 0.4] or open_jobs[:1]
            for job in going:
                until[job.trial] += 1
                log.rests.discard(job.trial)
            again = [Job(**{**_fields(job), "until": until[job.trial]}) for job in going]
            known = {job.trial for job in going} & set(log.snapshots)
            scores = {n: log.scores(n, _OPTIONS.objective) for n in known}
            executor.submit(again, {n: log.snapshots[n] for n in known}, scores)
            finish(executor, log)
    _trained(log, jobs)
    assert any("forget" in link.sent for link in supply.links)


def test_a_stop_returns_snapshots_of_running_trials() -> None:
    """Those trials resume from them in other engines."""
    jobs = _jobs(4, epochs=8)
    log = TrialLog()
    with _driver(2) as (executor, _):
        executor.submit(jobs, {}, {})
        while len(log.measured) < 2:
            for update in executor.progress():
                log.take(update)
        for update in executor.stop():
            log.take(update)
    for number, measured in log.measured.items():
        if number not in log.ended:
            covered = log.snapshots[number].epoch if number in log.snapshots else 0
            log.measured[number] = measured[:covered]
    log.started = {n for n in log.started if log.measured.get(n)}
    left = [job for job in jobs if job.trial not in log.ended]
    with _driver(1) as (executor, _):
        kept = {n: one for n, one in log.snapshots.items() if n not in log.ended}
        executor.submit(left, kept, {n: log.scores(n, _OPTIONS.objective) for n in kept})
        finish(executor, log)
    _trained(log, jobs)
