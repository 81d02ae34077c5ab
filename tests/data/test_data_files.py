"""Folders of idx files and .npz files: what is read, and what is said of damaged ones."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.core import InvalidInput, MissingData
from paceline.data import load, loading, split

load_dataset: Any = loading.load_dataset

WriteIdx = Callable[..., Path]
IMAGES = "train-images-idx3-ubyte.gz"
LABELS = "train-labels-idx1-ubyte.gz"


def test_idx_folder_becomes_scaled_images_and_classes(idx_folder: Path) -> None:
    raw = gzip.decompress((idx_folder / IMAGES).read_bytes())[16:]
    data = load(idx_folder)
    assert (data.name, data.task, data.num_classes, data.input_shape) == (
        "tiny",
        "classification",
        3,
        (4, 5),
    )
    assert data.x.dtype == np.float32
    assert data.y.dtype == np.int32
    np.testing.assert_array_equal(np.round(data.x.ravel() * 255), np.frombuffer(raw, np.uint8))
    assert data.x_test is not None
    assert (data.x.shape, data.x_test.shape) == ((40, 4, 5), (10, 4, 5))


def test_unpacked_idx_files_are_the_same_data(idx_folder: Path) -> None:
    packed = load(idx_folder)
    for path in list(idx_folder.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert load(idx_folder).fingerprint == packed.fingerprint


def test_folder_without_test_files_gets_a_drawn_test_part(idx_folder: Path) -> None:
    for path in idx_folder.glob("t10k*"):
        path.unlink()
    data = load(idx_folder)
    assert data.x_test is not None
    assert (len(data.x), len(data.x_test)) == (32, 8)


@pytest.mark.parametrize("file", [IMAGES, LABELS])
def test_truncated_gzip_is_refused_at_any_cut(idx_folder: Path, file: str) -> None:
    whole = (idx_folder / file).read_bytes()
    for cut in (0, 1, 5, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        (idx_folder / file).write_bytes(whole[:cut])
        with pytest.raises(InvalidInput, match=file):
            load(idx_folder)


def test_corrupt_gzip_is_refused(idx_folder: Path) -> None:
    whole = bytearray((idx_folder / IMAGES).read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    (idx_folder / IMAGES).write_bytes(bytes(whole))
    with pytest.raises(InvalidInput, match=f"{IMAGES}.*delete it and download it again"):
        load(idx_folder)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "starts with the bytes"),
        (b"\x89PNG\r\n", "89 50 4e 47"),
        (b"\0\0\x08\x03\0\0\0\x05", "starts with the bytes 00 00 08 03"),
        (b"\0\0\x08\x01\0\0\0\x05\1\2", "contains 2 bytes of values; expected 5"),
        (b"\0\0\x08\x01\0\0\0\x02\1\2\3", "contains 3 bytes of values; expected 2"),
        (b"\0\0\x07\x01\0\0\0\x02\1\2", "starts with the bytes 00 00 07 01"),
    ],
)
def test_invalid_idx_files_are_refused(idx_folder: Path, content: bytes, says: str) -> None:
    (idx_folder / LABELS).write_bytes(gzip.compress(content))
    with pytest.raises(InvalidInput, match=says):
        load(idx_folder)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=60))
def test_any_content_gives_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("junk")
    for name in (IMAGES, LABELS):
        (folder / name.removesuffix(".gz")).write_bytes(content)
    with pytest.raises(InvalidInput):
        load(folder)


def test_images_and_labels_of_different_number(idx_folder: Path, write_idx: WriteIdx) -> None:
    write_idx(idx_folder / LABELS, np.zeros(39))
    with pytest.raises(InvalidInput, match="40 images and 39 labels"):
        load(idx_folder)


def test_missing_labels_are_named(idx_folder: Path) -> None:
    (idx_folder / LABELS).unlink()
    with pytest.raises(MissingData, match="train-labels"):
        load(idx_folder)


def test_missing_file_and_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"nowhere\.npz does not exist"):
        load(tmp_path / "nowhere.npz")
    (tmp_path / "data.xlsx").write_bytes(b"PK")
    with pytest.raises(InvalidInput, match=r"expected a name that ends in"):
        load(tmp_path / "data.xlsx")


def _save(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_npz_as_keras_writes_it(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    labels = np.arange(30) % 2
    path = _save(
        tmp_path / "m.npz",
        x_train=images[:20],
        y_train=labels[:20],
        x_test=images[20:],
        y_test=labels[20:],
    )
    data = load(path)
    np.testing.assert_array_equal(data.x, images[:20])
    parts = split(data, stratify=False)
    np.testing.assert_allclose(parts.x_test, images[20:] / 255, rtol=1e-6)
    np.testing.assert_allclose(load_dataset(path, rule=1).x, images[:20] / 255, rtol=1e-6)
    np.testing.assert_array_equal(data.y_test, labels[20:])
    assert parts.notes[-1] == "Pixels were scaled from 0 to 255 to 0 to 1."


def test_npz_of_x_and_y_gets_a_stratified_test_part(tmp_path: Path) -> None:
    path = _save(
        tmp_path / "d.npz", x=np.ones((50, 3)), y=np.repeat(["no", "yes"], [40, 10])[:, None]
    )
    data = load(str(path))
    assert data.class_names == ("no", "yes")
    assert np.bincount(data.y_test).tolist() == [8, 2]


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"a": np.ones(3)}, "contains the arrays a"),
        (
            {"x_train": np.ones((3, 1)), "y_train": np.ones(3), "x_test": np.ones((3, 1))},
            "x_test, x_train, y_train",
        ),
        ({"x": np.array([[1], "a"], dtype=object), "y": np.ones(2)}, "Python objects"),
        ({"x": np.ones((3, 1)), "y": np.ones(4)}, "x has 3 rows and y has 4"),
    ],
)
def test_npz_files_with_other_arrays_are_refused(
    tmp_path: Path, arrays: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        load(_save(tmp_path / "bad.npz", **arrays))


def test_npz_damaged(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    path = _save(tmp_path / "d.npz", x=random.normal(size=(50, 3)), y=np.arange(50) % 2)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 0xFF
    for content in (
        b"",
        whole[:40],
        whole[: len(whole) // 2],
        whole[:-1],
        bytes(flipped),
        b"not a zip file",
    ):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"d\.npz cannot be read"):
            load(path)


def test_npy_under_an_npz_name(tmp_path: Path) -> None:
    with (tmp_path / "d.npz").open("wb") as stream:
        np.save(stream, np.ones(3))
    with pytest.raises(InvalidInput, match=r"d\.npz cannot be read"):
        load(tmp_path / "d.npz")
