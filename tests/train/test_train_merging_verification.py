"""Before a network trains in a merged program, a step of both is compared."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from tests.execute.test_execute_known import prepares
from tests.execute.test_execute_merging import SPACE, jobs, run
from tests.train.kinds import SIZE, TABLE, Row

from paceline.core import TrialState
from paceline.core.events import Noted, TrialEnded
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.merging import NetworkMerging
from paceline.execute.prepare import PreparedNetwork
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.merged_program import MergedProgram
from paceline.train.merging import contractions, rules, verification
from paceline.train.merging.rule import Call, Padded
from paceline.train.merging.structure import Structure
from paceline.train.merging.verification import ComparedSizes, difference
from paceline.train.trace import trace
from paceline.train.traced_model import TracedModel

ROWS = [row for row in TABLE if not row.alone]
CHEAP = [row for row in ROWS if any(kind in row.names for kind in ("LSTM", "elu", "Huber", "Ftrl"))]


def merged(row: Row, widths: tuple[int, ...]) -> tuple[MergedProgram, list[TracedModel]]:
    data = [part for part in (row.x, row.y, row.weights) if part is not None]
    train = tuple(jax.tree.map(lambda a: a[:32], data))
    feed = ArrayFeed(TrainingData.of(train, train), SIZE)
    networks = []
    for width in widths:
        keras.utils.set_random_seed(1)
        networks.append(trace(row.build(0.05, width), feed))
    structure = Structure.of(networks[0])
    sizes = [structure.sizes([leaf.shape for leaf in network.state]) for network in networks]
    ragged = [i for i, each in enumerate(zip(*sizes, strict=True)) if len(set(each)) > 1]
    largest = tuple(max(each) for each in zip(*sizes, strict=True))
    return MergedProgram.of(structure, largest, ragged, networks), networks


@pytest.mark.parametrize("row", CHEAP, ids=lambda row: row.kinds[:40])
def test_networks_of_all_kinds_agree_with_their_program(row: Row) -> None:
    program, networks = merged(row, (8, 3))
    assert [difference(program, network) for network in networks] == ["", ""]


def build(hp: Any) -> keras.Model:
    """A network whose padding would not be zero: sigmoid(0) is 1/2."""
    units, rate = hp.Int("units", 2, 17), hp.Float("rate", 1e-3, 1.0, sampling="log")
    hidden = keras.layers.Dense(units, "sigmoid")
    model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    return model


def without_masks(call: Call) -> list[Padded]:
    left, right = call.operands
    (array,) = call.bind([left.array, right.array])
    return call.result(array, is_zero=True)


@pytest.fixture
def broken_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that says of all padding that it is zero."""
    known = contractions.RULES["dot_general"]
    monkeypatch.setitem(rules.RULES, "dot_general", replace(known, evaluate=without_masks))


@pytest.mark.usefixtures("broken_rule")
def test_a_wrong_rule_is_noticed_and_the_networks_train_as_alone() -> None:
    ended = run(build, jobs((3, 17), epochs=1))
    notes = [event.text for event in ended.events if isinstance(event, Noted)]
    assert len(ended.programs) == 2
    assert "padding is not zero after the train step" in notes[0]
    alone = run(build, jobs((3, 17), epochs=1), merge=False)
    assert ended.scores == pytest.approx(alone.scores, rel=1e-6)
    assert sum(isinstance(event, TrialEnded) for event in ended.events) == 2


@pytest.fixture
def wrong_for_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that is wrong in networks of eight units only."""
    known = contractions.RULES["dot_general"]

    def evaluate(call: Call) -> list[Padded]:
        (result,) = known.evaluate(call)
        sizes = [call.layout.own_size(axis) for axis in call.operands[1].axes]
        factor = 1 + sum(jnp.asarray(size == 8, result.array.dtype) for size in sizes)
        return [replace(result, array=result.array * factor)]

    monkeypatch.setitem(rules.RULES, "dot_general", replace(known, evaluate=evaluate))


@pytest.mark.usefixtures("wrong_for_eight")
def test_networks_leave_a_program_that_is_wrong_for_a_later_one() -> None:
    widths = (3, 17, 8)
    preparation = prepares(build, SPACE)
    expected = ExpectedNetworks(SPACE, lambda _: ())
    merging = NetworkMerging(preparation, expected, is_enabled=True, memory=2**30)
    prepared = [preparation.prepare([job])[0] for job in jobs(widths)]
    keys = []
    for one in prepared:
        assert isinstance(one, PreparedNetwork)
        assert not merging.take_refuted()
        keys.append(merging.assign(one)[1])
    assert keys[0] == keys[1] != keys[2]
    assert merging.take_refuted() == [0, 1]
    assert merging.take_refuted() == []
    again = [merging.assign(one)[1] for one in prepared if isinstance(one, PreparedNetwork)]
    assert len({*again, keys[0]}) == 4


def test_networks_stay_in_a_program_with_which_another_one_cannot_be_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    preparation = prepares(build, SPACE)
    expected = ExpectedNetworks(SPACE, lambda _: ())
    merging = NetworkMerging(preparation, expected, is_enabled=True, memory=2**30)
    one, other = (preparation.prepare([job])[0] for job in jobs((3, 8)))
    assert isinstance(one, PreparedNetwork)
    assert isinstance(other, PreparedNetwork)
    merged_key = merging.assign(one)[1]
    monkeypatch.setattr(verification, "_first_batch", None)
    assert merging.assign(other)[1] != merged_key
    assert merging.take_refuted() == []
    assert "internal error (TypeError: " in merging.notes[0]


@pytest.mark.usefixtures("wrong_for_eight")
def test_trials_of_a_wrong_program_are_trained_again() -> None:
    ended = run(build, jobs((3, 8), epochs=1))
    alone = run(build, jobs((3, 8), epochs=1), merge=False)
    assert len(ended.programs) == 2
    assert ended.scores == pytest.approx(alone.scores, rel=1e-6)
    ends = [event for event in ended.events if isinstance(event, TrialEnded)]
    assert [event.state for event in ends] == [TrialState.COMPLETED] * 2


def test_the_validation_step_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    program, (_, network) = merged(next(row for row in ROWS if "Huber" in row.names), (8, 3))
    step = MergedProgram.evaluate

    def wrong(self: Any, name: str, *args: Any) -> Any:
        leaves, logs = step(self, name, *args)
        return leaves, [log + (name == "test") for log in logs]

    monkeypatch.setattr(MergedProgram, "evaluate", wrong)
    assert difference(program, network).startswith("val_loss differs by 1.0e+00 ")


def test_which_sizes_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(row for row in ROWS if "Huber" in row.names)
    program, networks = merged(row, (8, 3, 9, 5))
    compared: list[TracedModel] = []

    def recorded(_: MergedProgram, traced: TracedModel) -> str:
        compared.append(traced)
        return ""

    monkeypatch.setattr(verification, "difference", recorded)
    for limit, expected in ((2**24, [0, 1, 2, 3]), (0, [0, 1, 2])):  # five lies between the others
        monkeypatch.setattr(verification, "_MOST_VALUES", limit)
        sizes = ComparedSizes(program.structure, program.largest, program.ragged)
        compared.clear()
        for network in (*networks, networks[0]):
            assert not sizes.difference(network)
        assert [networks.index(one) for one in compared] == expected


def test_values_that_are_not_finite_have_to_be_the_same() -> None:
    program, networks = merged(next(row for row in ROWS if "elu" in row.names), (8, 3))
    diverged = [
        np.full_like(leaf, np.nan) if leaf.dtype.kind == "f" else leaf for leaf in networks[1].state
    ]
    assert difference(program, replace(networks[1], state=tuple(diverged))) == ""
