"""Columns of texts: tf-idf as of scikit-learn, sequences, a vocabulary of the training part."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

import paceline
from paceline import data as paceline_data
from paceline.core import InvalidInput
from paceline.data import preparation
from paceline.study.models.preprocessing import with_preparation

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
