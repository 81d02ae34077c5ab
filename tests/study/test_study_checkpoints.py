"""Checkpoints are believed only where they are what was stored; else the trial is trained again
from its start.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tests.study.definitions import defined

import paceline
from paceline import InvalidInput
from paceline.core import Configuration, Trial
from paceline.core.events import Event, TrialDecided
from paceline.study import carry_out, make_plan
from paceline.study.record import network_files, parts
from paceline.study.record.network_files import Label, Network, Unusable, key_of
from paceline.study.record.record import Record
from paceline.study.record.replay import read_record

# -- one file

LABELS = [Label("study", 3, "key", 2), Label("study", 14, "other", 5)]


def networks() -> dict[Label, Network]:
    rng = np.random.default_rng(0)
    leaves = [
        rng.normal(size=(3, 2)).astype("float32"),
        np.array(7),
        np.zeros((0, 2)),
        np.array([True, False]),
    ]
    return {LABELS[0]: Network(leaves, [np.ones(3)]), LABELS[1]: Network([np.arange(5.0)])}


def same(one: Network, other: Network) -> bool:
    def equal(a: Any, b: Any) -> bool:
        return len(a or ()) == len(b or ()) and all(
            x.dtype == y.dtype and np.array_equal(x, y)
            for x, y in zip(a or (), b or (), strict=True)
        )

    return equal(one.leaves, other.leaves) and equal(one.best, other.best)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("networks") / "running-1.safetensors"
    network_files.write(path, networks())
    return path


def test_networks_come_back_unchanged(file: Path) -> None:
    assert network_files.labels(file) == LABELS
    for label, network in networks().items():
        assert same(network_files.read(file, label), network)


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_that_flips_is_noticed(file: Path, place: float, bit: int) -> None:
    raw = bytearray(file.read_bytes())
    raw[int(place * len(raw))] ^= 1 << bit
    damaged = file.with_name("running-2.safetensors")
    damaged.write_bytes(raw)
    for label, network in networks().items():
        try:
            found = network_files.read(damaged, label)
        except Unusable:
            continue
        assert same(found, network)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Label("other", 3, "key", 2), "belongs to another study"),
        (Label("study", 4, "key", 2), "contains no network of trial 4"),
        (Label("study", 3, "else", 2), "another configuration or seed"),
        (Label("study", 3, "key", 1), "of epoch 2, not of epoch 1"),
    ],
)
def test_a_network_of_something_else_is_refused(file: Path, wanted: Label, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        network_files.read(file, wanted)


def test_the_key_tells_configurations_and_seeds_apart() -> None:
    configs: list[Configuration] = [{"a": 1}, {"a": 1.0}, {"a": True}]
    keys = {
        key_of(Trial(number, config, seed, 1))
        for number in (1, 2)
        for config in configs
        for seed in (1, 2)
    }
    assert len(keys) == 6


# -- a study


def data() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(240, 4)).astype("float32")
    return x, (x @ np.array([1.0, -2.0, 0.5, 0.0], "float32")).astype("float32")


def build(hp: Any) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)]
    )
    model.compile(
        keras.optimizers.SGD(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")), loss="mse"
    )
    return model


SETTINGS: dict[str, Any] = {
    "objective": "val_loss",
    "epochs": 9,
    "trials": 18,
    "seed": 3,
    "validation": 0.2,
    "search": "random",
    "schedule": "halving",
}


class Interrupt:
    def __init__(self, count: int) -> None:
        self._left = count

    def __call__(self, record: Record, events: Sequence[Event]) -> None:
        self._left -= sum(isinstance(event, TrialDecided) for event in events)
        if self._left <= 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was interrupted while several of its trials were paused."""
    directory = tmp_path_factory.mktemp("stopped") / "s"
    rest: dict[str, Any] = {
        "class_weight": None,
        "fixed": None,
        "data_options": {},
        "batch_size": 32,
        "patience": None,
    }
    rest |= {"keep": "last", "memory": None, "ordered": None, "in_flight": None, "budget": None}
    request = defined(build, data(), study=directory, **SETTINGS, **rest)
    with pytest.raises(KeyboardInterrupt):
        carry_out(make_plan(request), directory, Interrupt(17))
    assert len(index(directory)["running"]) >= 5
    return directory


def resumed(directory: Path) -> paceline.Study:
    return paceline.tune(build, data(), study=directory, display=False, final=False, **SETTINGS)


@pytest.fixture(scope="module")
def undisturbed(stopped: Path, tmp_path_factory: pytest.TempPathFactory) -> paceline.Study:
    copy = tmp_path_factory.mktemp("undisturbed") / "s"
    shutil.copytree(stopped, copy)
    study = resumed(copy)
    assert not [note for note in study.record.notes if "cannot be used" in note]
    return study


def index(
    directory: Path, change: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, Any]:
    """The index of a study's checkpoints, after a change that is stored as before it had parts."""
    with sqlite3.connect(directory / "study.db") as raw:

        def value(name: str) -> Any:
            row = raw.execute("SELECT value FROM current WHERE name = ?", [name]).fetchone()
            return row and json.loads(row[0])

        found = parts.read(value, "checkpoints", "running") or {}
        if change is not None:
            change(found)
            raw.execute(
                "UPDATE current SET value = ?, checksum = NULL WHERE name = 'checkpoints'",
                [json.dumps(found)],
            )
    raw.close()
    return found


def continued(directory: Path, undisturbed: paceline.Study) -> list[tuple[int, Path]]:
    """The trials that are paused and will go on, and the file of each."""
    before = read_record(directory)
    running = index(directory)["running"].items()
    files = {int(number): directory / "checkpoints" / entry["file"] for number, entry in running}
    found = [
        n for n in files if len(undisturbed.record.trial(n).measurements) > before.num_measured(n)
    ]
    assert len(set(files.values())) == len(files)
    assert len(found) >= 6
    return [(number, files[number]) for number in found]


def story(study: paceline.Study) -> list[Any]:
    decisions = study.record.decisions
    return [
        (
            t.number,
            dict(t.config),
            t.state,
            t.score,
            [dict(m.metrics) for m in t.measurements],
            [(d.epoch, d.action, d.reason) for d in decisions.get(t.number, [])],
        )
        for t in study.trials
    ]


def weights(study: paceline.Study) -> list[np.ndarray]:
    return [np.asarray(one) for one in study.best_model().weights]


def check_same(study: paceline.Study, other: paceline.Study) -> None:
    """The same trials, scores, decisions, winner and weights."""
    assert story(study) == story(other)
    assert study.best.number == other.best.number
    for one, another in zip(weights(study), weights(other), strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-6)


def doubts(study: paceline.Study) -> dict[int, str]:
    """What was said of checkpoints that cannot be used, by trial."""
    notes = [note for note in study.record.notes if note.startswith("The checkpoint of trial")]
    return {int(note.split()[4]): note for note in notes}


def test_what_is_missing_or_damaged_is_trained_again_and_said(
    stopped: Path, undisturbed: paceline.Study, tmp_path: Path
) -> None:
    shutil.copytree(stopped, tmp_path / "s")
    (missing, a), (half, b), (empty, c), (garbage, d), *_ = continued(tmp_path / "s", undisturbed)
    a.unlink()
    b.write_bytes(b.read_bytes()[: b.stat().st_size // 2])
    c.write_bytes(b"")
    d.write_bytes(b"\0garbage" * 100)
    study = resumed(tmp_path / "s")
    check_same(study, undisturbed)
    said = doubts(study)
    assert said.keys() == {missing, half, empty, garbage}
    assert "is not there" in said[missing]
    assert all("is damaged" in said[number] for number in (half, empty, garbage))
    assert all("trained again from its start" in note for note in said.values())


def test_misplaced_or_damaged_checkpoints_are_trained_again_with_a_note(
    stopped: Path, undisturbed: paceline.Study, tmp_path: Path
) -> None:
    directory = tmp_path / "s"
    shutil.copytree(stopped, directory)
    (one, a), (other, b), (ahead, _), (changed, d), (folder, e), *_ = continued(
        directory, undisturbed
    )
    for source, target in ((a, "tmp"), (b, a.name), (a.with_name("tmp"), b.name)):
        source.rename(source.with_name(target))
    index(directory, lambda found: found["running"][str(ahead)].update(epoch=8))
    raw = bytearray(d.read_bytes())
    raw[-2] ^= 255
    d.write_bytes(raw)
    e.unlink()
    e.mkdir()
    study = resumed(directory)
    check_same(study, undisturbed)
    said = doubts(study)
    assert said.keys() == {one, other, ahead, changed, folder}
    assert "contains no network of trial" in said[one]
    assert "of epoch 8" in said[ahead]
    assert "its checksum differs" in said[changed]


def test_no_file_but_the_studys_own_is_read_or_removed(
    stopped: Path, undisturbed: paceline.Study, tmp_path: Path
) -> None:
    """A study that somebody else made may name any file."""
    directory, mine = tmp_path / "s", tmp_path / "mine.safetensors"
    shutil.copytree(stopped, directory)
    save_file({"weights": np.zeros(3)}, mine)
    (tmp_path / "running-1.safetensors").write_text("mine, too")
    (directory / "checkpoints" / "notes.safetensors").write_text("mine, too")
    before = {path: path.read_bytes() for path in (mine, tmp_path / "running-1.safetensors")}
    names = [
        str(mine),
        "../../mine.safetensors",
        "../../running-1.safetensors",
        "../study.db",
        "",
        "running-1",
    ]
    numbers = [number for number, _ in continued(directory, undisturbed)]

    def change(found: dict[str, Any]) -> None:
        for number, name in zip(numbers, names, strict=False):
            found["running"][str(number)]["file"] = name
        found["models"] = {"0": {"file": str(mine), "epoch": 0, "key": ""}, "77": str(mine)}
        found["best_model"] = {
            "trial": 0,
            "file": "../../mine.safetensors",
            "refit": False,
            "refitted": False,
        }
        found["best_model"] |= {"epochs": 9, "keras": {"reason": ""}}
        found["best"] = {"trial": 0, "file": str(mine)}

    index(directory, change)
    study = resumed(directory)
    check_same(study, undisturbed)
    assert doubts(study).keys() == set(numbers)
    assert all("no file of a study" in note for note in doubts(study).values())
    assert {path: path.read_bytes() for path in before} == before
    assert (directory / "checkpoints" / "notes.safetensors").read_text() == "mine, too"


def test_files_that_were_written_before_they_had_labels(
    stopped: Path, undisturbed: paceline.Study, tmp_path: Path
) -> None:
    directory = tmp_path / "s"
    shutil.copytree(stopped, directory)
    for path in (directory / "checkpoints").iterdir():
        save_file(load_file(path), path)

    def change(found: dict[str, Any]) -> None:
        found.pop("study")
        found["models"] = {number: entry["file"] for number, entry in found["models"].items()}
        for entry in found["running"].values():
            entry.pop("key")

    index(directory, change)
    study = resumed(directory)
    check_same(study, undisturbed)
    assert not doubts(study)


def test_the_best_model_is_made_again_where_its_weights_are_damaged(
    undisturbed: paceline.Study, tmp_path: Path
) -> None:
    directory = tmp_path / "s"
    shutil.copytree(undisturbed.directory, directory)
    for path in (directory / "checkpoints").iterdir():
        path.write_bytes(b"garbage")
    (directory / "best.keras").unlink()
    damaged = paceline.load_study(directory)
    with pytest.raises(InvalidInput, match=r"weights of trial \d+ cannot be used \(.* is damaged"):
        damaged.model(damaged.best.number, build=build)
    with pytest.raises(InvalidInput, match=r"weights of the best model of study .* cannot be used"):
        damaged.best_model(build=build)
    study = resumed(directory)
    check_same(study, undisturbed)
    assert any("best model cannot be used" in note for note in study.record.notes)


def test_files_of_another_study_stay_where_the_directory_is_a_link(
    stopped: Path, undisturbed: paceline.Study, tmp_path: Path
) -> None:
    directory = tmp_path / "s"
    shutil.copytree(stopped, directory)
    shutil.move(directory / "checkpoints", tmp_path / "elsewhere")
    (directory / "checkpoints").symlink_to(tmp_path / "elsewhere")
    network_files.write(tmp_path / "elsewhere" / "running-999.safetensors", networks())
    save_file({"leaf/0": np.zeros(3)}, tmp_path / "elsewhere" / "trial-1-7.safetensors")
    study = resumed(directory)
    check_same(study, undisturbed)
    left = {path.name for path in (tmp_path / "elsewhere").iterdir()}
    assert {"running-999.safetensors", "trial-1-7.safetensors"} < left
    assert len(left) == 3
