"""The test part in the report: what the model predicted, against scikit-learn's counts."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paceline.core.events import (
    BestTested,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
)
from paceline.report import Study, read
from paceline.report.page.pictures import look_like_images, pictures
from paceline.report.panels import Panel, panels
from paceline.space import Float, Space
from paceline.store import StudyStore
from paceline.store.paths import PREDICTIONS
from paceline.study.planned import test_predictions as tested

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(5)


def echo(shape: tuple[int, ...]) -> Any:
    """A Keras model that predicts its input, so that a test chooses what is predicted."""
    import keras

    return keras.Sequential([keras.Input(shape), keras.layers.Activation("linear")])


def one_of(num_rows: int, num_classes: int) -> tuple[Array, Array]:
    """Probabilities, and classes of which about two thirds are the likeliest."""
    said = RNG.dirichlet(np.ones(num_classes), num_rows).astype(np.float32)
    truth = np.where(
        RNG.random(num_rows) < 0.66, said.argmax(axis=1), RNG.integers(num_classes, size=num_rows)
    )
    return said, truth.astype(np.int32)


def shown(directory: Path) -> Panel:
    store = StudyStore(directory, writable=True)
    objective = {"metric": "val_loss", "direction": "minimize"}
    rows = {"rows": {"train": 8, "val": 2, "test": 3}}
    store.append(
        [
            StudyCreated(2, objective, {"name": "mine", "fingerprint": "", **rows}, {}),
            SessionStarted({}),
            SpaceChanged(Space({"rate": Float(0.0, 1.0)}).to_json()),
            BestTested(0, {"loss": 0.5}),
            SessionEnded("", 1.0),
        ]
    )
    store.close()
    return next(panel for panel in panels(read(directory)) if panel.name == "tested")


def cells(panel: Panel, first: str) -> list[str]:
    """A row of a table, by its first cell."""
    row = re.search(rf'<tr><th scope="row"[^>]*>{re.escape(first)}</th>(.*?)</tr>', panel.html)
    assert row is not None
    return re.findall(r"<td[^>]*>(.*?)</td>", row[1])


def test_counts_of_classes_equal_those_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    said, truth = one_of(200, 4)
    names = ["a", "b", "<c>", "d"]
    assert tested.write_tested(tmp_path, echo((4,)), said, truth, "classification", names)
    panel = shown(tmp_path)
    measured = np.stack(precision_recall_fscore_support(truth, said.argmax(axis=1)), axis=1)
    for name, expected in zip(["a", "b", "&lt;c&gt;", "d"], measured, strict=True):
        assert [float(cell) for cell in cells(panel, name)] == pytest.approx(
            expected.tolist(), abs=1e-4
        )
    counts = confusion_matrix(truth, said.argmax(axis=1))
    (figure,) = panel.figures
    heat = figure.plotly["data"][0]
    assert np.array(heat["z"]) == pytest.approx(
        counts / counts.sum(axis=1, keepdims=True), abs=1e-4
    )
    assert heat["x"] == ["a", "b", "&lt;c&gt;", "d"]
    assert f"{np.trace(counts):,} of 200 rows" in figure.alt
    assert Study.open(tmp_path).plot.confusion().data


def test_worst_rows_have_the_least_probability_of_their_class(tmp_path: Path) -> None:
    said, truth = one_of(200, 3)
    tested.write_tested(tmp_path, echo((3,)), said, truth, "classification")
    kept = tested.read_tested(tmp_path)
    assert kept is not None
    least = np.argsort(said[np.arange(200), truth], kind="stable")[: len(kept.worst)]
    assert kept.worst.tolist() == least.tolist()
    assert kept.worst_inputs is not None
    assert np.array_equal(kept.worst_inputs, said[least])


@pytest.mark.parametrize("form", ["classes", "column", "one-hot", "logits"])
def test_classes_in_any_form_give_the_same_panel(tmp_path: Path, form: str) -> None:
    said, truth = one_of(50, 3)
    y = {"column": truth[:, None], "one-hot": np.eye(3, dtype=np.float32)[truth]}.get(form, truth)
    x = np.log(said) + 2 if form == "logits" else said
    assert tested.write_tested(tmp_path, echo((3,)), x, y, "classification")
    kept = tested.read_tested(tmp_path)
    assert kept is not None
    assert kept.truth.tolist() == truth.tolist()
    assert kept.predicted.tolist() == said.argmax(axis=1).tolist()
    assert kept.probabilities is not None
    assert kept.probabilities == pytest.approx(said, abs=1e-3)


@pytest.mark.parametrize("said", [[0.2, 0.9, 0.4], [-3.0, 2.0, -0.1]])
def test_two_classes_with_one_output(tmp_path: Path, said: Sequence[float]) -> None:
    x = np.array(said, np.float32)[:, None]
    assert tested.write_tested(tmp_path, echo((1,)), x, np.array([0.0, 1.0, 1.0]), "classification")
    kept = tested.read_tested(tmp_path)
    assert kept is not None
    assert kept.predicted.tolist() == [0, 1, 0]
    assert "0 taken for" not in shown(tmp_path).html
    assert "1 taken for 0" in shown(tmp_path).html


def test_metrics_of_regression_equal_those_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    x = RNG.normal(size=(300, 1)).astype(np.float32)
    y = (x[:, 0] + 0.1 * RNG.normal(size=300)).astype(np.float32)
    assert tested.write_tested(tmp_path, echo((1,)), x, y, "regression")
    panel = shown(tmp_path)
    measured = [
        metric(y, x[:, 0]) for metric in (root_mean_squared_error, mean_absolute_error, r2_score)
    ]
    assert [float(cell) for cell in cells(panel, "target")] == pytest.approx(
        [*measured, 300], rel=1e-3
    )
    assert [figure.name for figure in panel.figures] == ["predicted", "residuals"]
    assert sum(panel.figures[1].plotly["data"][0]["y"]) == 300
    assert Study.open(tmp_path).plot.predicted().data


def test_many_rows_are_thinned_and_the_file_stays_small(tmp_path: Path) -> None:
    said, truth = one_of(25_000, 150)
    assert tested.write_tested(tmp_path, echo((150,)), said, truth, "classification")
    assert (tmp_path / PREDICTIONS).stat().st_size < 4e6
    kept = tested.read_tested(tmp_path)
    assert kept is not None
    assert len(set(kept.rows.tolist())) == 20_000
    assert kept.truth.tolist() == truth[kept.rows].tolist()
    panel = shown(tmp_path)
    assert not panel.figures  # no matrix of 150 classes
    assert "Most often confused" in panel.html


def test_images_are_shown(tmp_path: Path) -> None:
    import keras

    layers = [
        keras.Input((8, 8)),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    x, y = RNG.random((60, 8, 8)).astype(np.float32), RNG.integers(3, size=60)
    assert tested.write_tested(tmp_path, keras.Sequential(layers), x, y, "classification")
    assert shown(tmp_path).html.count('<img src="data:image/png;base64,') >= 5


@pytest.mark.parametrize(
    ("x", "y", "task"),
    [
        ({"a": np.zeros((3, 1))}, np.zeros(3), "regression"),
        (np.zeros((3, 2), np.float32), [np.zeros(3), np.zeros(3)], "regression"),
        (
            np.zeros((3, 2), np.float32),
            np.ones((3, 2)),
            "classification",
        ),  # two labels for each row
        (
            np.zeros((3, 4, 2), np.float32),
            np.zeros((3, 4)),
            "classification",
        ),  # a class for each step
        (np.zeros((3, 2), np.float32), np.array([0, 1, 7]), "classification"),
        (np.zeros((3, 2), np.float32), np.zeros(3), "regression"),
        (np.zeros((0, 2), np.float32), np.zeros(0), "regression"),
    ],
)
def test_predictions_of_another_form_are_not_kept_and_earlier_ones_are_removed(
    tmp_path: Path, x: Any, y: Any, task: str
) -> None:
    (tmp_path / PREDICTIONS).touch()
    assert tested.read_tested(tmp_path) is None  # damaged
    model = echo(x.shape[1:]) if hasattr(x, "shape") else echo((1,))
    assert not tested.write_tested(tmp_path, model, x, y, task)
    assert not list(tmp_path.iterdir())
    assert "were not kept" in shown(tmp_path).html


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([(6, 7), (9, 6, 1), (6, 8, 3), (7, 6, 4)]).flatmap(
        lambda s: arrays.arrays(np.uint8, (2, *s))
    )
)
def test_an_image_is_read_back_unchanged(rows: Array) -> None:
    import base64
    import struct
    import zlib

    assert look_like_images(rows.shape[1:])
    rows[0].flat[0], rows[0].flat[1] = 0, 255  # so that the scale is the whole one
    for row, address in zip(rows, pictures(rows), strict=True):
        file = base64.b64decode(address.partition(",")[2])
        width, height, _, colour = struct.unpack(">2I2B", file[16:26])
        channels = {0: 1, 2: 3, 6: 4}[colour]
        length = struct.unpack(">I", file[33:37])[0]
        lines = np.frombuffer(zlib.decompress(file[41 : 41 + length]), np.uint8).reshape(
            height, 1 + width * channels
        )
        assert np.array_equal(lines[:, 1:].reshape(row.shape), row)
