"""Named data sets: where they are looked for, how they are downloaded, and what the real ones
hold.
"""

import gzip
import hashlib
import http.server
import inspect
import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paceline.core import InvalidInput, MissingData
from paceline.data import describe, load, loading, split
from paceline.data.describing import described
from paceline.data.named_sets import NAMED_SETS, NamedSet

load_dataset: Any = loading.load_dataset

WriteIdx = Callable[..., Path]


def test_digits_come_without_any_file() -> None:
    data = load("digits")
    assert data.x_test is not None
    assert (data.num_rows, len(data.x_test), data.input_shape, data.num_outputs) == (
        1438,
        359,
        (8, 8),
        10,
    )
    assert (data.x.min(), data.x.max(), data.x.dtype) == (0, 1, np.float32)
    assert np.ptp(np.bincount(data.y_test)) <= 2
    assert data.fingerprint == load("digits").fingerprint != load("digits", seed=1).fingerprint


def test_unknown_names(idx_folder: Path) -> None:
    with pytest.raises(
        MissingData,
        match=r"named 'fashion-mnst'.*one of california_housing, digits, .*"
        r"Did you mean 'fashion_mnist'\?",
    ):
        load("fashion-mnst")
    with pytest.raises(MissingData, match=r"tiny, or a path\. Did you mean 'tiny'"):
        load("tinny", data_dir=idx_folder.parent)
    with pytest.raises(MissingData, match=r"data_dir is .*not a folder"):
        load("mnist", data_dir="/no/such/folder")


def test_folders_in_the_data_folder_are_names(
    idx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_path = load(idx_folder)
    assert load("tiny", data_dir=idx_folder.parent).fingerprint == by_path.fingerprint
    monkeypatch.setenv("PACELINE_DATA", str(idx_folder.parent))
    assert load("tiny").fingerprint == by_path.fingerprint
    info = {each.name: each for each in describe()}["tiny"]
    assert (info.rows, info.test_rows, info.shape, info.found) == (40, 10, (4, 5), str(idx_folder))


def test_describe_shows_locations_and_downloads(tmp_path: Path, write_idx: WriteIdx) -> None:
    info = {each.name: each for each in describe(tmp_path)}
    assert list(info) == list(NAMED_SETS)
    assert info["digits"].found == "scikit-learn"
    assert info["kmnist"].found is None
    assert info["kmnist"].addresses
    assert "train-images-idx3-ubyte.gz" in info["kmnist"].files
    assert all(each.licence and each.source and each.rows for each in info.values())
    write_idx(tmp_path / "broken" / "train-images-idx3-ubyte", [[[1]]]).write_bytes(b"junk")
    assert describe(tmp_path)[-1].rows == 0


# Downloads, from a server on this machine.


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of a web server. Files named ``cut-...`` promise more bytes than they
    send.
    """
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def send_header(self, keyword: str, value: str) -> None:
            cut = keyword == "Content-Length" and "cut-" in self.path
            super().send_header(keyword, str(int(value) + 100) if cut else value)

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", folder
        running.shutdown()
        thread.join()


@pytest.fixture
def tiny_source(idx_folder: Path, server: tuple[str, Path]) -> NamedSet:
    """A data set like MNIST whose official files lie on the server."""
    address, folder = server
    files = {}
    for path in idx_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
        files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(NAMED_SETS["mnist"], name="remote", files=files, addresses=(address + "{file}",))


def test_download_once_then_from_the_cache(
    tiny_source: NamedSet, server: tuple[str, Path], isolated: Path
) -> None:
    data = load_dataset("remote", sources={"remote": tiny_source})
    assert data.num_rows == 40
    assert sorted(path.name for path in (isolated / "remote").iterdir()) == sorted(
        tiny_source.files
    )
    for path in server[1].iterdir():
        path.unlink()
    assert load_dataset("remote", sources={"remote": tiny_source}).fingerprint == data.fingerprint
    assert described({"remote": tiny_source})[0].found == str(isolated / "remote")


def test_the_second_address_is_tried_if_the_first_fails(tiny_source: NamedSet) -> None:
    source = replace(
        tiny_source,
        addresses=(
            tiny_source.addresses[0].replace("{file}", "gone/{file}"),
            *tiny_source.addresses,
        ),
    )
    assert load_dataset("remote", sources={"remote": source}).num_rows == 40


@pytest.mark.parametrize("harm", ["changed", "shortened", "cut"])
def test_failed_downloads_leave_nothing_behind(
    tiny_source: NamedSet, server: tuple[str, Path], isolated: Path, harm: str
) -> None:
    served = server[1] / "train-images-idx3-ubyte.gz"
    whole = served.read_bytes()
    if harm == "changed":
        served.write_bytes(whole[:-1] + b"?")
    elif harm == "shortened":
        served.write_bytes(whole[: len(whole) // 2])
    else:
        served.rename(served.with_name("cut-" + served.name))
        tiny_source = replace(
            tiny_source, addresses=(server[0] + "cut-{file}", *tiny_source.addresses)
        )
    with pytest.raises(
        MissingData, match=r"train-images-idx3-ubyte\.gz could not be downloaded from http://127"
    ) as caught:
        load_dataset("remote", sources={"remote": tiny_source})
    assert ("checksum" in str(caught.value)) == (harm != "cut")
    assert not list(isolated.rglob("train-images*"))
    assert not [
        path
        for path in isolated.rglob("*")
        if path.is_file() and path.name not in tiny_source.files
    ]


def test_a_failed_download_names_files_address_and_setting(isolated: Path) -> None:
    unreachable = replace(NAMED_SETS["kmnist"], addresses=("http://127.0.0.1:9/{file}",))
    with pytest.raises(MissingData) as caught:
        load_dataset("kmnist", sources={"kmnist": unreachable})
    said = str(caught.value)
    assert "http://127.0.0.1:9/train-images-idx3-ubyte.gz" in said
    assert all(file in said for file in unreachable.files)
    assert "PACELINE_DATA" in said
    assert not list(isolated.rglob("*.gz"))


# California Housing.

ROWS = (
    "-122.23,37.88,41,880,129,322,126,8.3252,452600\n"
    "-122.22,37.86,21,7099,1106,2401,1138,8.3014,358500\n"
)


def _california(folder: Path, text: str = ROWS * 5, *, packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if not packed:
        (folder / "cal_housing.data").write_text(text)
        return folder / "cal_housing.data"
    with tarfile.open(folder / "cal_housing.tgz", "w:gz") as archive:
        member = tarfile.TarInfo("CaliforniaHousing/cal_housing.data")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return folder / "cal_housing.tgz"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("subfolder", ["", "california_housing"])
def test_california_features(tmp_path: Path, packed: bool, subfolder: str) -> None:
    _california(tmp_path / subfolder, packed=packed)
    data = load("california_housing", data_dir=tmp_path, test=None)
    assert (data.task, data.target_name, data.feature_names[:2]) == (
        "regression",
        "MedHouseVal",
        ("MedInc", "HouseAge"),
    )
    expected = [8.3252, 41, 6.98412698, 1.02380952, 322, 2.55555556, 37.88, -122.23]
    np.testing.assert_allclose(data.x[0], expected, rtol=1e-6)
    np.testing.assert_allclose(data.y[:2], [4.526, 3.585], rtol=1e-6)


@pytest.mark.parametrize(
    "text", ["", "1,2,3\n4,5,6\n", ROWS[:-30], ROWS + "1,2", ROWS.replace("126", "0"), "a,b\n"]
)
def test_damaged_california_file(tmp_path: Path, text: str) -> None:
    path = _california(tmp_path, text)
    with pytest.raises(InvalidInput, match=path.name):
        load("california_housing", data_dir=tmp_path)


def test_damaged_california_archive(tmp_path: Path) -> None:
    path = _california(tmp_path, packed=True)
    for content in (path.read_bytes()[:60], b"junk", gzip.compress(b"no archive")):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=path.name):
            load("california_housing", data_dir=tmp_path)


# The real data, where they are.


def test_real_mnist(real_data: Path) -> None:
    data = load("mnist", data_dir=real_data)
    assert data.x_test is not None
    assert (data.x.shape, data.x_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert abs(data.x.mean(dtype=np.float64) - 0.13066) < 1e-5
    assert np.bincount(data.y).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert load("mnist", data_dir=real_data / "mnist").fingerprint == data.fingerprint
    start = time.process_time()
    in_memory = load((data.x, data.y, data.x_test, data.y_test))
    assert time.process_time() - start < 2
    assert in_memory.num_rows == 60_000


def test_real_data_sets_in_mnists_format(real_data: Path) -> None:
    fashion = load("fashion_mnist", data_dir=real_data)
    assert fashion.class_names[9] == "Ankle boot"
    assert abs(fashion.x.mean(dtype=np.float64) - 0.286041) < 1e-5
    parts = split(fashion, validation=(fashion.x[:100], fashion.y[:100]))
    np.testing.assert_array_equal(parts.y_val, fashion.y[:100])
    mini = load("kmnist_mini", data_dir=real_data)
    assert (mini.num_rows, mini.num_classes) == (8000, 10)
    unreachable = replace(NAMED_SETS["mnist"], addresses=("http://127.0.0.1:9/{file}",))
    with pytest.raises(
        MissingData
    ):  # Fashion-MNIST's folder holds files of MNIST's names, but not MNIST
        load_dataset("mnist", data_dir=real_data / "fashion_mnist", sources={"mnist": unreachable})


def test_real_california(real_data: Path) -> None:
    data = load("california_housing", data_dir=real_data, test=None)
    means = [3.870671, 28.639486, 5.429, 1.096675, 1425.476744]
    np.testing.assert_allclose(data.x[:, :5].mean(axis=0, dtype=np.float64), means, rtol=1e-6)
    assert abs(data.y.mean(dtype=np.float64) - 2.068558) < 1e-6
    assert (
        load("california_housing", data_dir=real_data).num_rows
        == NAMED_SETS["california_housing"].rows
    )


def test_registered_checksums_are_those_of_the_real_files(real_data: Path) -> None:
    for name in ("mnist", "fashion_mnist"):
        for file, known in NAMED_SETS[name].files.items():
            assert hashlib.sha256((real_data / name / file).read_bytes()).hexdigest() == known


def test_the_arguments_for_editors_are_those_that_exist() -> None:
    own = inspect.signature(loading.load_dataset).parameters
    shown = inspect.signature(load).parameters
    assert tuple(shown) == ("source", *loading.LoadOptions.__annotations__)
    for name, hint in loading.LoadOptions.__annotations__.items():
        assert own[name].annotation == hint
        assert shown[name] == own[name]
    assert shown["test"].default == "auto"
    with pytest.raises(InvalidInput, match="Did you mean 'target'"):
        load("digits", targt=1)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="pass target='x' by name"):
        load("digits", "x")  # type: ignore[call-overload]
