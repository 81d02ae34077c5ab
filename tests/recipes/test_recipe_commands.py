"""Recipes from the terminal, on small generated data sets."""

import gzip
import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import paceline
from paceline.cli.app import app
from paceline.core import TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    SessionEnded,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.recipes import RECIPES, RecipeRun, forecast, kmnist_mlp, recipe
from paceline.study import Record

Invoke = Callable[..., Result]


def _write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes(), 1))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with ``stripes``: ten classes, each a bright stripe in a place of its own,
    under noise.
    """
    folder = tmp_path_factory.mktemp("data")
    place = folder / "stripes"
    place.mkdir()
    rng = np.random.default_rng(1)
    for part, rows in (("train", 400), ("t10k", 200)):
        labels = np.arange(rows) % 10
        pictures = rng.integers(0, 60, (rows, 28, 28))
        for row, label in enumerate(labels):
            pictures[row, 2 * label + 3 : 2 * label + 5] += 150
        _write_idx(place / f"{part}-images-idx3-ubyte.gz", pictures)
        _write_idx(place / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: Path) -> Invoke:
    """Runs ``paceline recipe ...`` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PACELINE_DATA", str(images))
    return lambda *words, typed="": CliRunner().invoke(
        app, ["recipe", *map(str, words)], input=typed
    )


def test_list_and_show_import_no_heavy_packages() -> None:
    program = (
        "import sys; from paceline.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: code = ended.code\n"
        "heavy = 'jax keras sklearn pandas plotly scipy starlette'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    for words in (["recipe", "list"], ["recipe", "show", "kmnist-mlp"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip().endswith("[]")
        assert "kmnist-mlp" in done.stdout or "KMNIST" in done.stdout or "Kuzushiji" in done.stdout


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_listed_described_and_has_its_parts(name: str, invoke: Invoke) -> None:
    listed = invoke("list").stdout
    assert f"{name}: {RECIPES[name].title}" in listed
    shown = invoke("show", name).stdout
    assert shown.startswith(RECIPES[name].docstring)
    for part in RECIPES[name].parts:
        assert re.search(rf"\b{part}\b", RECIPES[name].docstring), part
        assert f"def {part}(run: RecipeRun) -> None:" in shown
        assert callable(RECIPES[name].part(part))


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_use_only_the_public_interface(name: str) -> None:
    public = {
        f"paceline.{room}"
        for room in ("recipes", "search", "schedule", "data", "comparison", "ladder")
    }
    named = re.findall(
        r"^\s*(?:from|import) (paceline[\w.]*)", RECIPES[name].text, flags=re.MULTILINE
    )
    assert "paceline" in named
    assert {module for module in named if module != "paceline"} <= public


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "kmnist-mpl"], "kmnist-mlp"),
        (["run", "nothing"], "there is no recipe 'nothing'"),
        (["run", "kmnist-mlp", "--part", "some"], "one of predefined, yours, exhaustive, smart"),
        (["run", "mnist-cnn", "--set", "layers=2"], "no part of mnist-cnn asks"),
        (["run", "kmnist-mlp", "--set", "layers=2"], "--part yours"),
        (["run", "kmnist-mlp", "--part", "yours", "--set", "layers=9"], "a number from 1 to 5"),
        (["run", "kmnist-mlp", "--part", "predefined", "--budget", "soon"], "a positive time"),
        (["run", "kmnist-mlp", "--part", "smart", "--data", "strips"], "stripes"),
        (["run", "kmnist-mlp", "--part", "smart", "--data", "digits"], "grey"),
        (["run", "mnist-methods", "--part", "compare", "--data", "stripes"], "to have been run"),
    ],
)
def test_bad_input_is_refused_with_the_expected_form(
    words: list[str], message: str, invoke: Invoke
) -> None:
    result = invoke(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(Path.cwd().rglob("study.db"))


def test_a_budget_that_is_too_small_is_refused_with_the_need(invoke: Invoke) -> None:
    for name, part in (
        ("kmnist-mlp", "exhaustive"),
        ("mnist-methods", "random"),
        ("mnist-cnn", "bayesian"),
    ):
        result = invoke("run", name, "--part", part, "--data", "stripes", "--budget", "1s")
        assert result.exit_code == 2
        assert re.search(r"expected at least about \d+ (s|min|h)", result.stderr), result.output
    assert not list(Path.cwd().rglob("study.db"))


@pytest.mark.exhaustive
def test_invalid_answers_are_asked_again(invoke: Invoke) -> None:
    answers = "9\n1\n16\nsigmoid\nlion\nmomentum\n0.01\n\n100\n2\n"
    words = ["run", "kmnist-mlp", "--quick", "--part", "yours", "--data", "stripes", "--study", "s"]
    result = invoke(*words, typed=answers)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("layers (1 to 5) [2]:") == 2
    assert result.stderr.count("optimizer (adam, ") == 2
    assert "Validation accuracy" in result.stdout
    assert "Test accuracy" in result.stdout
    study = paceline.load_study("s/yours/1-16-sigmoid-momentum-0.01-0.0-100-2")
    assert study.best.config["neurons"] == 16
    confusion = pd.read_csv(study.directory / "confusion.csv").drop(columns="truth")
    assert confusion.to_numpy().sum() == 200
    given = [
        word
        for pair in (
            "layers=1",
            "neurons=16",
            "activation=sigmoid",
            "optimizer=momentum",
            "learning_rate=0.01",
            "batch_size=100",
            "epochs=2",
        )
        for word in ("--set", pair)
    ]
    again = invoke(*words, *given)  # the same, said in another way: nothing is trained again
    assert again.exit_code == 0, again.output
    assert len(list(Path("s").rglob("study.db"))) == 1
    assert len(paceline.load_study(study.directory).trials) == 1


def test_the_end_of_input_ends_cleanly(invoke: Invoke) -> None:
    for given in ("", "2\n", "9\n"):
        result = invoke(
            "run", "kmnist-mlp", "--quick", "--part", "yours", "--data", "stripes", typed=given
        )
        assert result.exit_code == 0
        assert "nothing was trained" in result.stderr
    assert not list(Path.cwd().rglob("study.db"))


@pytest.mark.exhaustive
def test_exhaustive_then_smart(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"neurons": (8,), "learning_rate": (1e-3, 1e-2), "weight_decay": (0.0,), "epochs": (1, 2)}
    monkeypatch.setattr(kmnist_mlp, "QUICK_GRID", {**kmnist_mlp.QUICK_GRID, **few})
    words = ["run", "kmnist-mlp", "--quick", "--data", "stripes", "--study", "s"]
    result = invoke(*words, "--part", "exhaustive", "--part", "smart")
    assert result.exit_code == 0, result.output
    for message in (
        "by their steps",
        "By the speed so far",
        "8 of 8 configurations",
        "This is the quick form",
    ):
        assert message in result.stdout
    ranked = pd.read_csv("s/exhaustive/ranked.csv")
    assert len(ranked) == 8
    assert ranked["val_accuracy"].is_monotonic_decreasing
    effects = pd.read_csv("s/exhaustive/effects.csv")
    shares = effects.groupby("hyperparameter")["share"].first()
    assert 0 <= shares.min() <= shares.sum() <= 1 + 1e-9
    for name, rows in effects.groupby(
        "hyperparameter"
    ):  # of a full grid, every value is in equally many
        assert rows["mean"].mean() == pytest.approx(ranked["val_accuracy"].mean()), name
    assert re.search(r"It ranks \d+ of all 8", result.stdout)
    for file in (
        "study.db",
        "best.keras",
        "confusion.csv",
        "confusion.html",
        "effects.html",
        "summary.txt",
    ):
        assert (Path("s/exhaustive") / file).exists(), file
    trained = paceline.load_study("s/exhaustive")
    again = invoke(*words, "--part", "exhaustive")
    assert again.exit_code == 0, again.output
    assert "Measuring the speed" not in again.stdout
    later = paceline.load_study("s/exhaustive")
    assert [t.measurements for t in later.trials] == [t.measurements for t in trained.trials]
    assert later.record.final == trained.record.final


@pytest.mark.exhaustive
def test_a_part_from_python(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmnist_mlp, "PREDEFINED", kmnist_mlp.PREDEFINED[:2])
    said: list[str] = []
    run = RecipeRun(
        tmp_path / "predefined",
        "stripes",
        data_dir=images,
        quick=True,
        say=said.append,
        display=False,
    )
    recipe("kmnist-mlp").part("predefined")(run)
    table = pd.read_csv(run.directory / "configurations.csv")
    assert len(table) == 2
    assert table["test_accuracy"].between(0, 1).all()
    record = paceline.load_study(run.directory).record
    assert record.best == record.best_of_search  # chosen by validation, and by nothing else
    assert record.tested is not None
    assert record.tested.refitted
    assert json.dumps(said).count("Test accuracy") == 1


def test_the_grid_has_the_documented_size() -> None:
    configs, sampled = kmnist_mlp.shuffled(kmnist_mlp.GRID, seed=1)
    assert len({tuple(config.values()) for config in configs}) == len(configs) == 1296
    programs = {kmnist_mlp.program(config) for config in configs[:sampled]}
    assert sampled == 12 * len(programs) == 72  # whole programs, two of each width
    assert sorted(program[1] for program in programs) == [32, 32, 64, 64, 128, 128]


def test_the_remaining_time_is_exact_for_constant_speed(tmp_path: Path) -> None:
    space = {
        "width": paceline.Choice([1, 2]),
        "batch_size": paceline.Choice([10, 20]),
        "epochs": paceline.Choice([2, 4]),
    }
    configs = [
        {"width": width, "batch_size": size, "epochs": epochs}
        for width in (1, 2)
        for size in (10, 20)
        for epochs in (2, 4)
    ]
    assert len(forecast.longest(configs)) == 4
    record = Record.of(_events(space, configs))
    study = paceline.Study(tmp_path, record)
    # one second for each step of a row, so that what is left takes as many: 4 epochs at batches of
    # 20, 10 and 20
    assert forecast.remaining(study, configs, alike="width") == pytest.approx(
        4 / 20 + (4 / 10 + 4 / 20)
    )


def _events(space: dict[str, paceline.Choice], configs: list[dict[str, int]]) -> list[Event]:
    """A study in which the first width's batches of 10 have trained for 4 epochs, a second for each
    step of a row.
    """
    config = configs[1]
    seconds = config["epochs"] / config["batch_size"]
    return [
        StudyCreated(2, {"metric": "val_loss", "direction": "min"}, {}, {}),
        SpaceChanged(paceline.Space(space).to_json()),
        TrialAsked(0, config, 1, 4, "grid"),
        TrialStarted(0, "program", config),
        EpochMeasured(0, 4, {"val_loss": 1.0}, seconds),
        TrialEnded(0, TrialState.COMPLETED, 1.0, 4, "trained"),
        SessionEnded("done", seconds),
    ]
