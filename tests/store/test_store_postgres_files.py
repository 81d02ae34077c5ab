"""Where the files of a study in PostgreSQL are: a directory, or a URL."""

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.store.postgres_server import PASSWORD

import paceline
from paceline.core import InvalidInput, PacelineError
from paceline.store import has_study, study_directory

keras = pytest.importorskip("keras")
pytest.importorskip("fsspec", reason="fsspec is not installed")


def bowl(hp: paceline.HyperParameters) -> float:
    return float((hp.Float("x", 0, 1) - 0.3) ** 2)


def build(hp: paceline.HyperParameters) -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 0.001, 0.1)), "mse")
    return model


def rows() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    return x, x.sum(1, keepdims=True)


def on_another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PACELINE_STATE", str(tmp_path / uuid.uuid4().hex))


@pytest.mark.exhaustive
def test_files_at_a_url(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints and models are there; another machine reads them and continues."""
    place = tmp_path / "bucket"
    study_url = f"{url}?files={place.as_uri()}"
    options: dict[str, Any] = {"epochs": 2, "seed": 1, "display": False, "final": False}
    study = paceline.tune(build, rows(), "val_loss", trials=2, study=study_url, **options)
    there = place / url.rpartition("/")[2]
    local, remote = (
        {path.name: path.read_bytes() for path in (one / "checkpoints").iterdir()}
        for one in (study.directory, there)
    )
    assert local == remote
    assert (there / "best.keras").read_bytes() == (study.directory / "best.keras").read_bytes()
    assert (there / "report.html").exists()
    expected = study.best_model().predict(rows()[0], verbose=0)

    on_another_machine(monkeypatch, tmp_path)
    again = paceline.load_study(url)
    assert again.directory != study.directory
    assert not again.directory.exists()
    np.testing.assert_array_equal(again.best_model().predict(rows()[0], verbose=0), expected)
    more = paceline.resume(url, build, rows(), trials=3, display=False)
    assert len(more.trials) == 3
    assert not [note for note in more.record.notes if "cannot be used" in note]
    assert (there / "best.keras").read_bytes() == (more.directory / "best.keras").read_bytes()


def test_files_in_a_directory(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each study has a directory there, and is found in it without naming it again."""
    options: dict[str, Any] = {"trials": 2, "display": False, "final": False}
    study = paceline.optimize(bowl, "min", study=f"{url}?files={tmp_path / 'shared'}", **options)
    assert study.directory == tmp_path / "shared" / url.rpartition("/")[2]
    assert (study.directory / "report.html").exists()
    on_another_machine(monkeypatch, tmp_path)
    assert study_directory(url) == study.directory
    assert paceline.resume(url, bowl, trials=3, display=False).directory == study.directory


def test_the_directory_of_a_study_with_its_record_elsewhere(url: str, tmp_path: Path) -> None:
    """It is found by its directory and by its URL; the marker has no password."""
    options: dict[str, Any] = {"trials": 2, "display": False, "final": False}
    study = paceline.optimize(bowl, "min", study=tmp_path / "s", store=url, **options)
    assert study.directory == tmp_path / "s"
    assert study_directory(url) == tmp_path / "s"
    assert PASSWORD not in (tmp_path / "s" / "store.json").read_text()
    assert len(paceline.load_study(tmp_path / "s").trials) == 2


def test_files_that_cannot_be_there(url: str, tmp_path: Path) -> None:
    """One clear line, and no password."""
    (tmp_path / "file").touch()
    cases: list[tuple[str, type[PacelineError], str]] = [
        ("ftp://u:p4ss@host/x", InvalidInput, "has a password in it"),
        ("nothing://bucket/x", InvalidInput, "which cannot be used"),
        (f"{(tmp_path / 'file').as_uri()}/x", PacelineError, "cannot be read"),
    ]
    for files, kind, said in cases:
        options: dict[str, Any] = {"study": f"{url}?files={files}", "trials": 1, "epochs": 1}
        with pytest.raises(kind, match=said) as error:
            paceline.tune(build, rows(), "val_loss", display=False, **options)
        assert "p4ss" not in str(error.value)
        assert PASSWORD not in str(error.value)
        assert not has_study(study_directory(url)), "a study that could not begin is removed"
