"""Built-in networks get the data that they ask for: categories as numbers, sequences, tokens."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

import paceline
from paceline import networks
from paceline.core import InvalidInput
from paceline.data import Dataset, split
from paceline.data.splits import split_with
from paceline.settings.training import TrainingSettings
from paceline.study.inputs.loading_data import load_data
from paceline.study.plan import network_definition
from paceline.study.plan.user_code import form_of

ROWS = 240
RANDOM = np.random.default_rng(0)
TOWNS = [f"town {i:02}" for i in range(40)]
SETTINGS: dict[str, Any] = {"epochs": 1, "trials": 1, "search": "random", "seed": 3}


def houses() -> pd.DataFrame:
    """A number, a category with gaps, and one of more values than are one-hot encoded."""
    frame = pd.DataFrame(
        {
            "area": RANDOM.normal(120, 40, ROWS),
            "heating": RANDOM.choice(["gas", "oil", "wood"], ROWS),
            "town": [TOWNS[i % 40] for i in range(ROWS)],
        }
    )
    frame.loc[::7, "heating"] = None
    return frame


HOUSES, LARGE = houses(), RANDOM.integers(0, 2, ROWS)


def test_categories_are_numbers_for_a_tabular_network_and_one_hot_for_others() -> None:
    data = load_data(
        (HOUSES, LARGE), {}, 0, None, TrainingSettings(), network=networks.find("tabular")
    )
    assert isinstance(data, Dataset)
    assert form_of("tabular", data)["categories"] == [0, 4, 40]
    assert data.feature_names == ("area", "heating", "town")
    found = split(data)
    rows = HOUSES.iloc[found.train_rows]
    codes = {"gas": 0, "oil": 1, "wood": 2, None: 3}
    np.testing.assert_array_equal(
        found.x_train[:, 1], [codes[None if pd.isna(one) else one] for one in rows["heating"]]
    )
    np.testing.assert_array_equal(found.x_train[:, 2], [TOWNS.index(one) for one in rows["town"]])
    assert abs(found.x_train[:, 0].mean()) < 1e-5
    one_hot = paceline.data.load((HOUSES, LARGE))
    assert "categories" not in form_of("mlp", one_hot)
    assert one_hot.input_shape == (1 + 4 + 30,)
    # the same for a data set that was loaded before, for any network
    again = load_data(one_hot, {}, 0, None, TrainingSettings(), network=networks.find("tabular"))
    assert isinstance(again, Dataset)
    assert form_of("tabular", again)["categories"] == [0, 4, 30]
    assert again.fingerprint != one_hot.fingerprint


def test_words_of_texts_are_amounts_beside_categories() -> None:
    about = [f"house {i} of {word} and light" for i, word in enumerate(HOUSES["town"])]
    frame, options = HOUSES.assign(about=about), {"texts": {"about": "tfidf"}}
    data = load_data(
        (frame, LARGE), options, 0, None, TrainingSettings(), network=networks.find("tabular")
    )
    assert isinstance(data, Dataset)
    counts = form_of("tabular", data)["categories"]
    assert counts[:3] == [0, 4, 40]
    assert len(counts) == data.input_shape[0] > 3
    assert not any(counts[3:])


@pytest.mark.exhaustive
def test_a_study_of_an_earlier_version_keeps_the_network_that_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words of texts were amounts of a tabular network."""
    about = [f"house {i % 9} of {word} and light {i}" for i, word in enumerate(HOUSES["town"])]
    data = (HOUSES[["area"]].assign(about=about), LARGE)
    options: dict[str, Any] = {"texts": {"about": "tfidf"}, "display": False, "final": False}
    options["fixed"] = {"layers": 1, "units": 64, "embedding": 4}

    def earlier(name: str, dataset: Any) -> dict[str, Any]:
        form = form_of(name, dataset)
        del form["num_weights"]
        return form

    with monkeypatch.context() as patched:
        patched.setattr(network_definition, "form_of", earlier)
        paceline.tune("tabular", data, study=tmp_path / "s", **SETTINGS, **options)
    again = paceline.resume(tmp_path / "s", data=data, trials=2, display=False)
    first, second = (again.model(number, retrain=True) for number in range(2))
    assert first.count_params() == second.count_params()


@pytest.mark.exhaustive
def test_a_tabular_model_takes_the_rows_of_the_user_and_categories_that_are_new(
    tmp_path: Path,
) -> None:
    study = paceline.tune(
        "tabular",
        (HOUSES, LARGE),
        study=tmp_path / "study",
        final=False,
        display=False,
        fixed={"layers": 1, "units": 64, "embedding": 4},
        **SETTINGS,
    )
    model = study.best_model()
    expected = model.predict(study.prepare(HOUSES), verbose=0)
    stored = keras.saving.load_model(tmp_path / "study/best.keras", safe_mode=True)
    np.testing.assert_allclose(
        stored.predict(study.prepare(HOUSES), verbose=0), expected, rtol=1e-5
    )
    again = paceline.load_study(tmp_path / "study")
    rebuilt = again.model(0).predict(again.prepare(HOUSES), verbose=0)
    np.testing.assert_allclose(rebuilt, expected, rtol=1e-5)
    new = HOUSES.head(3).assign(town=["Atlantis", "Avalon", np.nan])
    said = model.predict(study.prepare(new.assign(area=100.0, heating="gas")), verbose=0)
    assert np.isfinite(said).all()
    np.testing.assert_allclose(said, said[[0, 0, 0]], rtol=1e-5)


def test_sequences_are_scaled_for_each_feature_over_time() -> None:
    x = RANDOM.normal([5, -300], [2, 40], (ROWS, 6, 2)).astype("float32")
    found = split_with(networks.find("lstm").scales, paceline.data.load((x, LARGE)))
    np.testing.assert_allclose(found.x_train.mean(axis=(0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(found.x_train.std(axis=(0, 1)), 1, atol=1e-4)
    unchanged = split_with(networks.find("resnet").scales, paceline.data.load((x, LARGE)))
    assert abs(unchanged.x_train).max() > 300


@pytest.mark.parametrize(
    ("rows", "padded"),
    [
        ([[3, 2, 0, 0], [1, 2, 3, 4]], True),
        ([[0, 0, 3, 2], [1, 2, 3, 4]], True),
        ([[3, 0, 2, 0], [1, 2, 3, 4]], False),
        ([[3, 2, 1, 1], [1, 2, 3, 4]], False),
    ],
)
def test_tokens_are_counted_and_padding_is_found(rows: list[list[int]], padded: bool) -> None:
    x, y = np.array(rows), np.arange(2)
    data = paceline.data.load((x, y, x + 5 * (x > 0), y))
    assert form_of("transformer", data) == {
        "input_shape": (4,),
        "task": "classification",
        "num_outputs": 2,
        "one_hot": False,
        "vocabulary": 10,
        "padded": padded,
    }


@pytest.mark.parametrize(
    ("network", "x", "says"),
    [
        ("lstm", -np.ones((8, 3), int), "token -1"),
        ("lstm", np.ones((8, 3)), "expected sequences"),
        ("tabular", np.ones((8, 3, 2)), "expected a table"),
        ("resnet", np.ones((8, 3)), "expected images"),
    ],
)
def test_data_that_a_network_cannot_take(network: str, x: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        paceline.tune(network, (x, np.arange(8) % 2), trials=1, display=False)
