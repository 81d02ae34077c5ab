"""``hp`` of the interface: definitions, values and their conditions, as in KerasTuner."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compat.conftest import classifier

import paceline.compat.keras_tuner as kt
from paceline.compat.keras_tuner.engine import hyperparameters as kinds
from paceline.compat.keras_tuner.engine.hyperparameters.conversion import (
    from_paceline,
    to_paceline,
)
from paceline.compat.keras_tuner.engine.hyperparameters.in_search import (
    Entries,
    SearchedHyperParameters,
)
from paceline.core import InvalidInput, StudyWarning
from paceline.space import HyperParameters as Definitions


@pytest.fixture(autouse=True)
def _says_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paceline.compat.keras_tuner.engine.options.said", set())


def test_values_are_changed_by_the_user() -> None:
    hp = kt.HyperParameters()
    assert hp.Int("units", 32, 64, step=32) == 32
    assert hp.Choice("kind", ["a", "b", "a"], default="b") == "b"
    with hp.name_scope("head"):
        assert hp.Boolean("bias") is False
        assert hp.get("bias") is False
    with hp.conditional_scope("kind", "a"):
        assert hp.Float("rate", 0.0, 1.0) is None
    assert hp.values == {"units": 32, "kind": "b", "head/bias": False}
    assert [one.name for one in hp.space] == ["units", "kind", "head/bias", "rate"]
    hp.values["kind"] = "a"
    with hp.conditional_scope("kind", "a"):
        assert hp.Float("rate", 0.0, 1.0) == 0.0
    copied = hp.copy()
    hp.values["units"] = 7
    assert hp.Int("units", 32, 64, step=32) == 7
    assert copied.get("units") == 32
    assert copied.is_active("rate")
    hp.values = {"units": 64}
    assert hp.Int("units", 32, 64, step=32) == 64
    assert hp.Choice("kind", ["a", "b", "a"], default="b") == "b"


def test_definitions_of_one_name_under_other_conditions_keep_their_ranges() -> None:
    def define(hp: Any) -> tuple[Any, Any]:
        hp.Choice("kind", ["small", "large"])
        with hp.conditional_scope("kind", "small"):
            small = hp.Int("units", 1, 4)
        with hp.conditional_scope("kind", "large"):
            large = hp.Int("units", 100, 400)
        return small, large

    hp = kt.HyperParameters()
    assert define(hp) == (1, None)
    hp.values = {"kind": "large"}
    assert define(hp) == (None, 100)
    assert [one.get_config()["max_value"] for one in hp.space[1:]] == [4, 400]
    definitions = Definitions(values={"kind": "large", "units": 300})
    searched = SearchedHyperParameters(definitions, Entries())
    assert define(searched) == (None, 300)
    assert searched.values == {"kind": "large", "units": 300}
    assert [one.name for one in definitions.space] == ["kind", "units", "units"]


def test_merging_and_storing() -> None:
    hp = kt.HyperParameters()
    hp.Int("a", 0, 100)
    hp.Fixed("b", 2)
    other = kt.HyperParameters()
    other.Fixed("a", 3)
    other.Choice("c", ["x", "y"])
    hp.merge(other, overwrite=False)
    assert hp.values == {"a": 0, "b": 2, "c": "x"}
    hp.merge(other)
    assert hp.values == {"a": 3, "b": 2, "c": "x"}
    assert len(hp.space) == 3
    again = kt.HyperParameters.from_config(hp.get_config())
    assert again.get_config() == hp.get_config()


def test_values_of_inactive_ones_are_removed_and_missing_ones_drawn() -> None:
    hp = kt.HyperParameters()
    hp.Boolean("deep")
    with hp.conditional_scope("deep", [True]):
        hp.Int("layers", 3, 5)
    with hp.conditional_scope("deep", [False]):
        hp.Int("width", 7, 7)
    assert hp.inactive_scopes[0][0].values == [True]
    assert hp.active_scopes[0][0].values == [False]
    hp.values = {"deep": True, "width": 7}
    hp.ensure_active_values()
    assert hp.values.keys() == {"deep", "layers"}
    assert hp.values["layers"] in (3, 4, 5)


@pytest.mark.parametrize(
    ("define", "own", "together"),
    [
        (lambda hp: hp.Int("n", 6, 18, step=6, default=10), 10, 12),
        (lambda hp: hp.Int("n", 6, 18, default=40), 40, 18),
        (lambda hp: hp.Int("n", 2, 64, step=2, sampling="log", default=30), 30, 32),
        (lambda hp: hp.Float("n", 0.0, 0.5, step=0.25, default=0.3), 0.3, 0.25),
        (lambda hp: hp.Float("n", 0.1, 0.5, default=0.0), 0.0, 0.1),
        (lambda hp: hp.Int("n", 1, 9, step=0, default=20), 20, 9),
    ],
)
def test_a_default_off_the_range_is_kept_and_moved_where_trials_train_together(
    define: Callable[[Any], Any], own: float, together: float
) -> None:
    assert define(kt.HyperParameters()) == own
    with pytest.warns(StudyWarning, match=f"none of its values; .*{together} is used"):
        assert define(SearchedHyperParameters(Definitions(), Entries())) == together


def test_the_last_step_of_a_float_is_left_out_as_in_kerastuner() -> None:
    rate = kinds.Float("rate", 0, 0.5, 0.1)
    assert list(rate.values) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    searched = SearchedHyperParameters(Definitions(), Entries())
    searched.Float("rate", 0, 0.5, 0.1)
    (one,) = searched._definitions.space
    assert (one.to_json()["max_value"], one.to_json()["step"]) == (0.4, 0.1)


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (lambda hp: hp.Choice("c", ["a", 1]), "only one type"),
        (lambda hp: hp.Choice("c", [None]), "can contain only `int`"),
        (lambda hp: hp.Choice("c", []), "must be provided"),
        (lambda hp: hp.Choice("c", ["a"], default="b"), "one of the choices"),
        (lambda hp: hp.Int("n", 0.5, 3), "must be an int"),
        (lambda hp: hp.Float("n", 2, 1), "greater than the max_value"),
        (lambda hp: hp.Float("n", 0, 1, sampling="log"), "does not support"),
        (lambda hp: hp.Fixed("n", None), "must be an int, float"),
        (lambda hp: hp.Boolean("b", default=1), "Python boolean"),
        (lambda hp: hp.get("n"), "does not exist"),
        (lambda hp: hp.conditional_scope("n", 1).__enter__(), "is not defined"),
    ],
)
def test_invalid_definitions(define: Callable[[Any], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError), match=message):
        define(kt.HyperParameters())


_names = st.sampled_from("abc")
_numbers = st.integers(1, 50)


@settings(max_examples=60, deadline=None)
@given(low=_numbers, more=st.integers(0, 50), step=st.integers(1, 9), prob=st.floats(0, 0.999))
def test_numbers_are_drawn_from_their_values(low: int, more: int, step: int, prob: float) -> None:
    whole = kinds.Int("n", low, low + more, step)
    assert whole.prob_to_value(prob) in list(whole.values)
    assert whole.prob_to_value(whole.value_to_prob(low)) == low
    logarithmic = kinds.Float("n", low, low + more + 1, sampling="log")
    value = logarithmic.prob_to_value(prob)
    assert low <= value <= low + more + 1
    assert logarithmic.value_to_prob(value) == pytest.approx(prob, abs=1e-6)
    assert whole.random_sample(3) == whole.random_sample(3)


@settings(max_examples=60, deadline=None)
@given(
    one=st.one_of(
        st.builds(kinds.Int, _names, _numbers, st.integers(50, 99), st.integers(1, 7)),
        st.builds(kinds.Float, _names, st.floats(0.5, 1), st.floats(2, 3), st.just(0.25)),
        st.builds(kinds.Choice, _names, st.lists(_numbers, min_size=1, unique=True)),
        st.builds(kinds.Boolean, _names, st.booleans()),
        st.builds(kinds.Fixed, _names, st.text(min_size=1)),
    )
)
def test_definitions_come_back_from_json_and_from_paceline(one: Any) -> None:
    again = kinds.deserialize(kinds.serialize(one))
    assert again.get_config() == one.get_config()
    back = from_paceline(to_paceline(one))
    assert type(back) is type(one)
    assert list(back.values) == pytest.approx(list(one.values))


def test_given_hyperparameters_replace_those_of_build() -> None:
    hp = kt.HyperParameters()
    hp.Fixed("units", 3)
    entries = Entries(hp, allow_new=True, tune_new=False)
    searched = SearchedHyperParameters(definitions := Definitions(), entries)
    assert (searched.Int("units", 8, 16), searched.Int("layers", 2, 5)) == (3, 2)
    assert [one.name for one in definitions.space] == ["units"]
    searched = SearchedHyperParameters(Definitions(), Entries(hp, allow_new=False))
    with pytest.raises(RuntimeError, match=r"`allow_new_entries` is `False`.*layers"):
        searched.Int("layers", 2, 5)


def test_values_cannot_be_set_in_a_search() -> None:
    searched = SearchedHyperParameters(Definitions(), Entries())
    searched.values["units"] = 7
    with pytest.raises(InvalidInput, match=r"Use hp\.Fixed"):
        searched.Int("units", 1, 9)


def test_a_hypermodel_that_is_not_tunable_adds_nothing() -> None:
    class Model(kt.HyperModel):
        def build(self, hp: Any) -> Any:
            return classifier(hp)

    hp = kt.HyperParameters()
    hp.Int("units", 5, 5)
    model = Model(tunable=False).build(hp)
    assert [one.name for one in hp.space] == ["units"]
    assert model.layers[0].units == 5


def test_numpy_values_are_plain_numbers() -> None:
    hp: Any = kt.HyperParameters()
    value = hp.Choice("n", np.arange(3, 6))
    assert (value, type(value)) == (3, int)
    assert type(hp.Int("m", np.int64(2), np.int64(4))) is int
