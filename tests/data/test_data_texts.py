"""Columns of texts: tf-idf as of scikit-learn, sequences, a vocabulary of the training part."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from typer.testing import CliRunner

import paceline
from paceline import data as paceline_data
from paceline import networks
from paceline.cli.app import app
from paceline.core import InvalidInput
from paceline.data import preparation
from paceline.settings.training import TrainingSettings
from paceline.space import HyperParameters
from paceline.study.inputs.loading_data import load_data
from paceline.study.models.preprocessing import with_preparation
from paceline.study.plan.user_code import form_of

load: Any = paceline_data.load  # its results are of several types
split: Any = paceline_data.split

RNG = np.random.default_rng(0)
GOOD, BAD = ["great", "lovely", "fine", "superb"], ["awful", "poor", "bad", "dull"]
COMMON = ["the", "film", "was", "a", "story", "with", "an", "end", "and", "some", "people", "it"]


def reviews(count: int) -> pd.DataFrame:
    """Texts whose words tell the class, beside a number and a category."""
    label = np.arange(count) % 2
    texts = [
        " ".join(RNG.permutation([*RNG.choice(COMMON, 8), *RNG.choice(BAD if y else GOOD, 2)]))
        for y in label
    ]
    return pd.DataFrame(
        {
            "length": RNG.normal(100, 20, count),
            "review": [f"{text.capitalize()}, {number}!" for number, text in enumerate(texts)],
            "country": RNG.choice(["it", "fr"], count),
            "good": np.where(label, "no", "yes"),
        }
    )


FRAME = reviews(80)


def test_tfidf_is_that_of_scikit_learn_on_the_training_part() -> None:
    loaded = load(FRAME, target="good")
    assert [column.kind for column in loaded.columns] == ["numeric", "tfidf", "categorical"]
    assert (
        loaded.became[1][0],
        loaded.became[1][1].split(",")[0],
    ) == ("review", "text: tf-idf of its words")
    parts = split(loaded, validation=0.25)
    texts = FRAME["review"].to_numpy()
    reference = TfidfVectorizer(token_pattern=r"\w+").fit(texts[parts.train_rows])
    expected = reference.transform(texts[parts.val_rows]).toarray()
    found = parts.x_val[:, 3:]
    assert found.shape[1] == len(loaded.columns[1].categories)
    words = loaded.columns[1].categories
    fitted = parts.preparation.texts[0]
    places = [fitted.place[words.index(word) + 2] for word in reference.get_feature_names_out()]
    np.testing.assert_allclose(found[:, places], expected, atol=1e-6)
    others = np.setdiff1d(np.arange(found.shape[1]), places)
    assert not found[:, others].any()
    # words of the validation part alone are not in the vocabulary
    unseen = set(" ".join(texts[parts.val_rows]).lower().replace(",", "").replace("!", "").split())
    unseen -= set(reference.get_feature_names_out())
    assert unseen
    assert all(fitted.place[words.index(word) + 2] == -1 for word in unseen)


def test_sequences_are_numbers_of_words_in_order() -> None:
    frame = FRAME[["review", "good"]]
    parts = split(load(frame, target="good", texts="sequences"), validation=0.25)
    words, fitted = parts.dataset.columns[0].categories, parts.preparation.texts[0]
    assert parts.x_train.shape[1] == 11
    assert not parts.notes  # there are no numbers that are scaled
    new = pd.DataFrame({"review": ["The film was zorgly", None, "great"]})
    rows = paceline_data.prepare(parts, new)
    numbers = [int(fitted.place[words.index(word) + 2]) + 2 for word in ("the", "film", "was")]
    assert rows[0, :5].tolist() == [*numbers, 1, 0]
    assert not rows[1].any()
    again = preparation.from_json(parts.preparation.to_json())
    assert again is not None
    np.testing.assert_array_equal(
        again.apply(parts.dataset.x[:9]), parts.preparation.apply(parts.dataset.x[:9])
    )


def test_what_is_no_prose_stays_as_it_was() -> None:
    names = FRAME.assign(name=[f"{a} Smith{i}" for i, a in enumerate(["Ann", "Bob"] * 40)])
    loaded = load(names, target="good")
    assert "name" not in [column.name for column in loaded.columns]
    assert any("pass texts={'name': 'tfidf'}" in note for note in loaded.notes)
    marked = load(names, target="good", texts={"name": "tfidf", "country": "tfidf"})
    kinds = {column.name: column.kind for column in marked.columns}
    assert kinds["name"] == kinds["country"] == "tfidf"
    off = load(FRAME, target="good", texts="off")
    assert "review" not in [column.name for column in off.columns]
    with pytest.raises(InvalidInput, match="Did you mean 'review'"):
        load(FRAME, target="good", texts={"reviw": "tfidf"})


@pytest.mark.parametrize("mode", ["tfidf", "sequences"])
def test_models_prepare_texts_as_the_data_are(mode: str) -> None:
    parts = split(load(FRAME, target="good", texts=mode), validation=0.25)
    network = keras.Sequential([keras.Input(parts.input_shape), keras.layers.Dense(2)])
    network.compile("sgd", "mse")
    fitted = parts.preparation
    expected = network(fitted.apply(parts.dataset.x))
    form = keras.KerasTensor((None, fitted.num_columns))
    model = with_preparation(network, fitted, form)
    np.testing.assert_allclose(model(parts.dataset.x), expected, atol=1e-5)


def build(hp: Any) -> keras.Model:
    layers = keras.layers
    rate = hp.Float("rate", 1e-2, 1e-1, sampling="log")
    model = keras.Sequential([layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["acc"])
    return model


def embedding(hp: Any) -> keras.Model:
    model = build(hp)
    layers = [keras.layers.Embedding(200, 4), keras.layers.GlobalAveragePooling1D()]
    found = keras.Sequential([keras.Input((11,)), *layers, *model.layers])
    found.compile(model.optimizer, model.loss, metrics=["acc"])
    return found


@pytest.mark.exhaustive
@pytest.mark.parametrize(("mode", "network"), [(None, build), ("sequences", embedding)])
def test_a_study_on_texts_predicts_for_new_rows(mode: Any, network: Any, tmp_path: Path) -> None:
    frame = FRAME if mode is None else FRAME[["review", "good"]]
    study = paceline.tune(
        network,
        frame,
        "val_acc",
        target="good",
        texts=mode,
        epochs=8,
        trials=2,
        search="random",
        seed=1,
        validation=0.25,
        test=0.2,
        display=False,
        final=False,
        study=tmp_path / "s",
    )
    model, new = study.best_model(), reviews(12).drop(columns="good")
    rows = study.prepare(new if mode is None else new[["review"]])
    predicted = model.predict(rows, verbose=0)
    assert predicted.shape == (12, 2)
    # the file has the preparation, and gives the same without Paceline
    loaded = keras.saving.load_model(tmp_path / "s" / "best.keras")
    np.testing.assert_allclose(loaded.predict(rows, verbose=0), predicted, atol=1e-6)
    again = paceline.resume(tmp_path / "s", network, frame, trials=3, display=False)
    assert len(again.trials) == 3


def loaded_for(network: str, frame: pd.DataFrame, texts: Any = None) -> Any:
    return load_data(
        frame,
        {"target": "good", "texts": texts},
        0,
        None,
        TrainingSettings(),
        network=networks.find(network),
    )


def test_networks_for_sequences_read_texts_alone() -> None:
    loaded = loaded_for("lstm", FRAME)
    assert [column.kind for column in loaded.columns] == ["sequences"]
    assert [note for note in loaded.notes if "'length', 'country' left out" in note]
    form = form_of("lstm", loaded)
    num_words = len(loaded.columns[0].categories)
    assert (form["input_shape"], form["vocabulary"]) == ((11,), 2 + num_words)
    assert "texts" not in form
    with pytest.raises(InvalidInput, match="column 'review' is text: tf-idf of its words"):
        form_of("lstm", loaded_for("lstm", FRAME, "tfidf"))


def test_words_of_several_texts_are_apart() -> None:
    frame = FRAME.assign(title=[f"{word} {number} of all" for number, word in enumerate(GOOD * 20)])
    loaded = loaded_for("transformer", frame)
    (first, one), (second, other) = form_of("transformer", loaded)["texts"]
    assert (first, second) == (11, 4)
    described = form_of("transformer", loaded)
    assert described["vocabulary"] == 2 + one + other
    model = networks.create("transformer", **described)(HyperParameters())
    words = np.array([[0, 1, 2, one + 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, other + 1]])
    apart = keras.Model(model.input, model.get_layer("embedding").input)(words)
    shifted = [0, 1, 2, one + 1, *[0] * 8, 1, 2 + one, other + 1 + one]
    assert np.asarray(apart).tolist() == [shifted]
    assert max(shifted) == described["vocabulary"] - 1


def test_a_tabular_network_takes_tfidf_beside_categories_and_numbers() -> None:
    loaded = loaded_for("tabular", FRAME)
    kinds = {column.name: column.kind for column in loaded.columns}
    assert kinds == {"length": "numeric", "review": "tfidf", "country": "coded"}
    form = form_of("tabular", loaded)
    num_words = len(loaded.columns[1].categories)
    assert form["num_weights"] == num_words
    assert form["categories"] == [0, 2] + [0] * num_words
    model = networks.create("tabular", **form)(HyperParameters())
    # the number, a vector of it, a vector of the category, and the words
    assert model.get_layer("hidden_1").input.shape[1] == 1 + 8 + 8 + num_words
    with pytest.raises(InvalidInput, match="'lstm' and 'transformer' read sequences"):
        form_of("tabular", loaded_for("tabular", FRAME, "sequences"))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("network", "fixed"),
    [
        ("lstm", "units=32 bidirectional=no"),
        ("transformer", "units=32 heads=2 widening=1"),
        ("tabular", "units=64 embedding=4"),
    ],
)
def test_a_file_of_texts_on_the_terminal(network: str, fixed: str, tmp_path: Path) -> None:
    reviews(240).to_csv(tmp_path / "reviews.csv", index=False)
    words = f"tune --model {network} --target good --trials 1 --epochs 6 --seed 1 --final off"
    words += " --search random --no-display --set learning_rate=0.01 --set layers=1"
    words += "".join(f" --set {one}" for one in fixed.split())
    where = ["--data", str(tmp_path / "reviews.csv"), "--study", str(tmp_path / "s")]
    result = CliRunner().invoke(app, [*words.split(), *where])
    assert result.exit_code == 0, result.output
    study = paceline.load_study(tmp_path / "s")
    assert {trial.program for trial in study.trials} != {"fit"}
    assert study.best.score is not None
    assert study.best.score > 0.8
    new = reviews(60)
    predicted = study.best_model().predict(study.prepare(new.drop(columns="good")), verbose=0)
    found = [study.classes[number] for number in predicted.argmax(axis=1)]
    assert np.mean(np.asarray(found) == new["good"].to_numpy()) > 0.8
    if network == "lstm":  # it continues with the form that it had
        resumed = CliRunner().invoke(app, ["resume", str(tmp_path / "s"), "--trials", "2"])
        assert resumed.exit_code == 0, resumed.output
