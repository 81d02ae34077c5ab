"""``data="folder:..."``: images in one folder for each class."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import sparse

import paceline
from paceline import data as paceline_data
from paceline.core import InvalidInput, MissingData
from paceline.data import Dataset, Stream, split
from paceline.data.batch_loading import LoadingOptions
from paceline.data.loading import load_dataset
from paceline.data.row_sources import RowBatches
from paceline.study.inputs.stream_form import stream_form

load: Any = paceline_data.load  # its results are of two types
RNG = np.random.default_rng(0)
BRIGHT = {"day": (128, 256), "night": (0, 128)}


def draw(folder: Path, count: int, size: tuple[int, int] = (6, 8), ending: str = "png") -> None:
    """Images of ``size``, height × width, of two classes that their brightness tells apart."""
    for name, (low, high) in BRIGHT.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = RNG.integers(low, high, (*size, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.{ending}")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "photos"
    draw(folder / "train", 20)
    draw(folder / "test", 4)
    (folder / "train" / "readme.txt").write_text("no class")
    (folder / "drafts").mkdir()
    return folder


def build(hp: Any) -> keras.Model:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 8, 3)),
            layers.RandomFlip("horizontal", seed=hp.Fixed("seed", 3)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, "softmax"),
        ]
    )
    rate = hp.Float("rate", 1e-2, 1.0, sampling="log")
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def test_images_are_loaded_with_the_names_of_their_classes(photos: Path) -> None:
    loaded = load(f"folder:{photos}")
    assert isinstance(loaded, Dataset)
    assert loaded.x.shape == (40, 6, 8, 3)
    assert loaded.x.dtype == np.uint8
    assert loaded.class_names == ("day", "night")
    assert loaded.x_test.shape == (8, 6, 8, 3)
    first = np.asarray(Image.open(photos / "train" / "day" / "0.png"))
    np.testing.assert_array_equal(loaded.x[0], first)
    assert "Images are 6×8 pixels with 3 channels." in loaded.notes
    assert any("not used: drafts" in note for note in loaded.notes)
    parts = split(loaded, validation=0.25)
    assert parts.x_train.dtype == np.float32
    assert 0.9 < parts.x_train.max() <= 1.0
    assert load(f"folder:{photos}").fingerprint == loaded.fingerprint


def test_sizes_and_channels(tmp_path: Path) -> None:
    draw(tmp_path, 3, (4, 4))
    draw(tmp_path / "day", 2, (10, 12), "jpg")  # folders in a class belong to it
    loaded = load(f"folder:{tmp_path}")
    assert loaded.num_rows + len(loaded.x_test) == 10
    assert any("the median of their sizes" in note for note in loaded.notes)
    assert load(f"folder:{tmp_path}?size=5").x.shape[1:] == (5, 5, 3)
    assert load(f"folder:{tmp_path}?size=5x7&channels=1").x.shape[1:] == (5, 7, 1)


def test_images_are_streamed_where_they_do_not_fit(photos: Path) -> None:
    stream = load_dataset(f"folder:{photos}", loading=LoadingOptions(memory=lambda: 100, rows=16))
    assert isinstance(stream, Stream)
    assert stream.name == f"folder:{photos}"
    assert stream.num_batches == 3
    x, y = stream.source[0]
    assert (x.dtype, x.shape) == (np.float32, (16, 6, 8, 3))
    in_memory = split(load(f"folder:{photos}"), validation=0.2)
    assert set(map(bytes, x)) <= set(map(bytes, [*in_memory.x_train, *in_memory.x_val]))
    assert set(y.tolist()) == {0, 1}
    assert isinstance(stream.source, RowBatches)
    assert stream.source.test is not None
    assert [len(stream.source.test[place][1]) for place in range(1)] == [8]


@pytest.mark.exhaustive
def test_a_study_of_a_folder(photos: Path, tmp_path: Path, monkeypatch: Any) -> None:
    options: dict[str, Any] = {
        "objective": "val_accuracy",
        "epochs": 2,
        "trials": 2,
        "seed": 1,
        "batch_size": 10,
        "validation": 0.25,
        "search": "random",
        "display": False,
        "final": False,
    }
    monkeypatch.chdir(photos.parent)
    study = paceline.tune(build, "folder:photos", study=tmp_path / "s", **options)
    assert study.classes == ("day", "night")
    assert study.settings.data.source == f"folder:{photos}"
    monkeypatch.chdir(tmp_path)
    again = paceline.resume(tmp_path / "s", build, trials=3, display=False)
    assert len(again.trials) == 3
    streamed = paceline.tune(
        build,
        f"folder:{photos}",
        study=tmp_path / "t",
        in_memory=False,
        **options,
        class_weight={"night": 2.0},
    )
    assert {trial.program for trial in streamed.trials} != {"fit"}
    assert streamed.record.created is not None
    assert streamed.record.created.data["batches"] == {"train": 3, "val": 1}
    assert streamed.record.tested is not None


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("network", "fixed"),
    [
        ("cnn", {"blocks": 1, "kernel_size": 3, "units": 32, "batch_norm": False}),
        ("resnet", {"blocks": 1}),
    ],
)
def test_built_in_networks_train_on_streamed_folders(
    photos: Path, tmp_path: Path, network: str, fixed: dict[str, Any]
) -> None:
    options: dict[str, Any] = {"epochs": 1, "trials": 1, "seed": 1, "batch_size": 8}
    options |= {"validation": 0.25, "search": "random", "display": False, "final": False}
    options["fixed"] = {"filters": 8, **fixed}
    data = f"folder:{photos}"
    study = paceline.tune(network, data, study=tmp_path / "s", in_memory=False, **options)
    assert {trial.program for trial in study.trials} != {"fit"}
    assert all(trial.error is None for trial in study.trials)
    assert study.best_model().input_shape == (None, 6, 8, 3)
    assert study.best_model().output_shape == (None, 2)
    assert study.settings.function.network == {
        "input_shape": [6, 8, 3],
        "task": "classification",
        "num_outputs": 2,
        "one_hot": False,
    }
    again = paceline.resume(tmp_path / "s", trials=2, display=False)
    assert len(again.trials) == 2


@pytest.mark.parametrize(
    ("y", "form"),
    [
        ([0, 2, 1, 0], ("classification", 3)),
        ([0.0, 0.5, 1.5, 2.0], ("regression", 1)),
        ([-1, 1, 1, -1], None),
        ([7, 100_000, 3, 2], None),
        (["a", "b", "a", "b"], None),
    ],
)
def test_the_form_of_rows_that_are_streamed(y: Any, form: Any) -> None:
    stream = load((sparse.eye(4, 3, format="csr"), np.asarray(y)), in_memory=False)
    if form is None:
        with pytest.raises(InvalidInput, match="whose classes are not known; expected"):
            stream_form("mlp", stream)
        return
    found = stream_form("mlp", stream)
    assert (found["input_shape"], found["task"], found["num_outputs"]) == ((3,), *form)


def test_other_streams_need_a_build_function() -> None:
    batches = [(np.ones((4, 3), np.float32), np.zeros(4, np.int32))]
    stream = load(lambda: iter(batches), in_memory=False)
    with pytest.raises(InvalidInput, match="pass a build function of your own"):
        stream_form("mlp", stream)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("", "no idx files; expected .*one folder for each class as 'folder:.*photos'"),
        ("train", "as 'folder:.*photos/train'"),
        ("..", "as 'folder:.*photos'"),
        ("train/day", "Put the images of each class into a folder of its own in day"),
        ("train/day/0.png", "expected a name that .*from a folder that has a folder for each"),
    ],
)
def test_a_folder_of_images_without_its_notation(photos: Path, place: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load(str(photos / place))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("folder:{}/train/day/0.png", InvalidInput, "is a file; .*Leave out 'folder:' and pass"),
        ("folder:", MissingData, "folder: is not a folder"),
        ("folder:nowhere", MissingData, "nowhere is not a folder; expected a folder that has"),
        ("folder:{}?sise=3", InvalidInput, "Did you mean 'size'"),
        ("folder:{}?size=big", InvalidInput, "size of the folder is 'big'; expected 64"),
        ("folder:{}?channels=4", InvalidInput, "channels of the folder is '4'; expected 1 or 3"),
        ("folder:{}/train/day", InvalidInput, "has 0 folders with images"),
    ],
)
def test_what_is_no_folder_of_images_is_refused(
    photos: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load(text.format(photos))


def test_damaged_images_are_named(tmp_path: Path) -> None:
    draw(tmp_path, 2)
    (tmp_path / "day" / "0.png").write_bytes(b"no image")
    with pytest.raises(InvalidInput, match=r"0\.png cannot be read as an image"):
        load(f"folder:{tmp_path}")
