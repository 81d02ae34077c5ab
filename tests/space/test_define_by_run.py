"""The ``hp`` argument of ``build(hp)``, compared with the documentation of KerasTuner."""

from typing import Any

import pytest

from paceline.core import InvalidInput
from paceline.space import Boolean, Choice, Condition, Fixed, Float, HyperParameters, Int, Space


def test_defaults_are_returned_and_the_space_is_recorded() -> None:
    hp = HyperParameters()
    assert hp.Int("units", 32, 128, step=32) == 32
    assert hp.Float("lr", min_value=1e-4, max_value=1e-1, sampling="LOG", default=1e-2) == 1e-2
    assert hp.Choice("act", ["relu", "tanh"]) == "relu"
    assert hp.Boolean("bn") is False
    assert hp.Fixed("loss", "mse") == "mse"
    assert hp.space == Space(
        [
            Int("units", 32, 128, 32),
            Float("lr", 1e-4, 1e-1, sampling="log", default=1e-2),
            Choice("act", ["relu", "tanh"]),
            Boolean("bn"),
            Fixed("loss", "mse"),
        ]
    )
    assert hp.joined == tuple(hp.space)
    assert hp.used == hp.space.names
    assert hp.config == hp.space.default() == hp.values


def test_given_values_are_returned() -> None:
    space = Space([Int("units", 32, 128, 32)])
    hp = HyperParameters(space, {"units": 64, "later": 0.5, "batch_size": 8})
    assert hp.Int("units", 32, 128, 32) == 64
    assert hp.Float("later", 0, 1) == 0.5
    assert hp.space.names == ("units", "later")
    assert [h.name for h in hp.joined] == ["later"]
    assert hp.config == {"units": 64, "later": 0.5}
    assert hp.get("batch_size") == 8
    assert hp.values == {"units": 64, "later": 0.5, "batch_size": 8}
    assert space.names == ("units",)


def test_hyperparameters_of_an_inactive_scope_are_recorded_and_none() -> None:
    hp = HyperParameters()
    hp.Choice("model", ["mlp", "cnn"])
    with hp.conditional_scope("model", ["mlp"]):
        assert hp.Int("layers", 1, 3) == 1
        with hp.conditional_scope("layers", [2, 3]):
            assert hp.Int("units", 1, 9) is None
    with hp.conditional_scope("model", "cnn"):
        assert hp.Int("filters", 1, 9) is None
    assert hp.used == ("model", "layers")
    assert hp.space.size() == 1 + 9 + 9 + 9
    assert hp.space["units"].conditions == (Condition("model", "mlp"), Condition("layers", [2, 3]))
    assert hp.Int("dense", 1, 9, parent_name="model", parent_values=["cnn"]) is None
    assert hp.Boolean("last", parent_name="model", parent_values="mlp") is False
    assert hp.values == {"model": "mlp", "layers": 1, "last": False}


def test_errors_are_those_of_kerastuner() -> None:
    hp = HyperParameters()
    hp.Choice("model", ["mlp", "cnn"])
    hp.Int("filters", 1, 9, parent_name="model", parent_values=["cnn"])
    with pytest.raises(KeyError, match=r"size does not exist\. Known: model, filters"):
        hp.get("size")
    with pytest.raises(ValueError, match="filters is currently inactive"):
        hp["filters"]
    with (
        pytest.raises(ValueError, match="conditional_scope's parent is 'size'"),
        hp.conditional_scope("size", [1]),
    ):
        pass
    with (
        pytest.raises(InvalidInput, match="conditional on itself"),
        hp.conditional_scope("model", "mlp"),
    ):
        hp.Choice("model", ["mlp"])
    with pytest.raises(InvalidInput, match="both or none"):
        hp.Boolean("b", parent_name="model")
    assert "model" in hp
    assert "filters" not in hp
    assert "size" not in hp
    assert hp.is_active("model")
    assert not hp.is_active(hp.space["filters"])
    assert not hp.is_active("size")


def test_name_scopes_nest() -> None:
    hp = HyperParameters()
    with hp.name_scope("cell"):
        hp.Choice("kind", ["a", "b"])
        with hp.name_scope("inner"), hp.name_scope("most"):
            hp.Boolean("deep")
        with hp.conditional_scope("kind", "a"):
            hp.Int("n", 1, 2)
        assert hp.get("n") == hp["n"] == 1
    assert hp.used == ("cell/kind", "cell/inner/most/deep", "cell/n")
    assert hp["cell/n"] == 1


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        (
            lambda hp: hp.Int("x", 1, 5),
            lambda hp: hp.Choice("x", ["a"]),
            ("Int('x', 1, 5)", "Choice('x', ['a'])"),
        ),
        (
            lambda hp: hp.Choice("x", [1, 2]),
            lambda hp: hp.Choice("x", [30, 40]),
            ("[1, 2]", "[30, 40]"),
        ),
        (
            lambda hp: hp.Float("x", 0, 1),
            lambda hp: hp.Float("x", 0, 1, default=0.5),
            ("0.0, 1.0)", "default=0.5"),
        ),
        (
            lambda hp: hp.Fixed("x", 1),
            lambda hp: hp.Fixed("x", 2),
            ("Fixed('x', 1)", "Fixed('x', 2)"),
        ),
    ],
)
def test_two_definitions_in_one_build_raise_an_error_with_both(
    first: Any, second: Any, shown: Any
) -> None:
    hp = HyperParameters()
    first(hp)
    assert first(hp) == hp["x"]  # the same one again is fine
    with pytest.raises(
        InvalidInput, match=r"'x' is defined as .* and as .* under the same conditions"
    ) as error:
        second(hp)
    assert all(one in str(error.value) for one in shown)
    assert hp.refused is error.value


def test_a_different_definition_in_another_build_is_a_variant() -> None:
    """The returned value is legal for the call, whatever the configuration contains."""
    space = Space([Choice("k", [1, 2]), Int("n", 1, 9)])
    hp = HyperParameters(space, {"k": 2, "n": 7})
    assert hp.Choice("k", [30, 40]) == 30
    assert hp.Int("n", 5, 20) == 7
    assert hp.joined == (Choice("k", [30, 40]), Int("n", 5, 20))
    assert hp.config == {"k": 30, "n": 7}
    with pytest.raises(InvalidInput, match="two hyperparameters named 'k'"):
        hp.space  # noqa: B018 - nothing is known that tells them apart


def test_scopes_create_variants_of_a_name() -> None:
    for optimizer, rate in (("adam", 1e-4), ("sgd", 0.1)):
        hp = HyperParameters(values={"optimizer": optimizer})
        hp.Choice("optimizer", ["adam", "sgd"])
        with hp.conditional_scope("optimizer", "adam"):
            first = hp.Float("rate", 1e-4, 1e-2)
        with hp.conditional_scope("optimizer", "sgd"):
            second = hp.Float("rate", 0.1, 1)
        assert (first, second) == ((rate, None) if optimizer == "adam" else (None, rate))
        assert hp.get("rate") == hp.values["rate"] == rate
        assert len(hp.space.variants("rate")) == 2
        assert hp.space.complete({"optimizer": "sgd"}) == {"optimizer": "sgd", "rate": 0.1}


def test_fixed_values_are_returned_and_checked() -> None:
    hp = HyperParameters(fixed={"x": 0.5, "y": 9})
    assert hp.Float("x", 0, 1) == 0.5
    assert tuple(hp.space) == (Fixed("x", 0.5),)
    with pytest.raises(
        InvalidInput, match="fixed gives 'y' the value 9; expected a number from 0 to 5"
    ):
        hp.Int("y", 0, 5)


def test_one_name_in_two_scopes_is_active_in_both() -> None:
    for model in ("mlp", "cnn", "rnn"):
        hp = HyperParameters(values={"model": model})
        hp.Choice("model", ["mlp", "cnn", "rnn"])
        with hp.conditional_scope("model", "mlp"):
            first = hp.Int("units", 1, 5)
        with hp.conditional_scope("model", "cnn"):
            second = hp.Int("units", 1, 5)
        assert (first, second) == (1 if model == "mlp" else None, 1 if model == "cnn" else None)
        assert hp.space["units"].conditions == (Condition("model", ["mlp", "cnn"]),)
        assert ("units" in hp.used) == (model != "rnn")


def test_conditions_in_plain_python_keep_inferred_conditions() -> None:
    space = Space([Int("layers", 1, 3), Int("units_2", 1, 9, conditions=[Condition("layers", 3)])])
    hp = HyperParameters(space, {"layers": 3, "units_2": 4})
    assert hp.Int("layers", 1, 3) == 3
    assert hp.Int("units_2", 1, 9) == 4
    assert hp.space == space
    wrong = HyperParameters(space, {"layers": 1})
    wrong.Int("layers", 1, 3)
    assert wrong.Int("units_2", 1, 9) == 1  # never None outside of scopes
    assert wrong.used == ("layers", "units_2")
