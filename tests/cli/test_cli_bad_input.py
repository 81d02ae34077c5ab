"""What cannot be used ends with exit code 2 and one message that helps; nothing half-written stays
behind.
"""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.output
    assert "Traceback" not in result.output
    assert "expected" in errors[0]
    for word in words:
        assert word in errors[0]
    assert not Path("s").exists()
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("build", "arguments", "words"),
    [
        (
            "build",
            "--data digits --objective val_f1",
            ["'val_f1'", "accuracy, loss, val_accuracy, val_loss"],
        ),
        ("build", "--data digits --objective quality", ["'quality'", "--objective quality:max"]),
        ("build", "--data digits --objective quality:up", ["'up'", "'min' or 'max'"]),
        ("uncompiled", "--data digits", ["not compiled", "model.compile("]),
        ("raising", "--data digits", ["RuntimeError: the moon is full"]),
        ("empty", "--data digits --objective val_loss", ["no hyperparameter", "hp.Float("]),
        ("contradictory", "--data digits", ["min_value=64", "max_value=32"]),
        ("nothing", "--data digits", ["'nothing'", "build, uncompiled, raising"]),
        ("not_a_function", "--data digits", ["not_a_function is a int"]),
        ("build", "--data-dir nowhere --data mnist", ["'nowhere'", "an existing folder"]),
    ],
)
def test_arguments(run: Run, model: Path, build: str, arguments: str, words: list[str]) -> None:
    given = arguments.split()
    given += [] if "--objective" in given else ["--objective", "val_accuracy"]
    given += [] if {"--trials", "--budget"} & set(given) else ["--trials", "2"]
    refused(run("tune", f"{model}:{build}", "--study", "s", *given), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nowhere.py:build --data digits", ["nowhere.py", "model.py:build"]),
        ("model.py --data digits", ["'model.py'", "model.py:build"]),
        ("--data digits", ["neither a build function nor --model"]),
        ("--model mlp", ["--data"]),
        ("--model mpl --data digits", ["'mpl'", "mlp, cnn", "Did you mean 'mlp'"]),
        ("--model mlp --data digits --set units=33", ["33", "32 to 256"]),
        ("--model mlp --data digits --set units", ["NAME=VALUE"]),
        ("--model cnn --data table.csv --target y", ["'cnn'", "'mlp'"]),
        ("--model mlp --data table.csv --target z", ["'z'", "'a', 'b', 'y'"]),
        ("--model mlp --data nan.csv --target y", ["y", "1 of 41 rows"]),
        ("--model mlp --data images", ["train-images"]),
        ("--model mlp --data digits --objective val_acuracy", ["Did you mean 'val_accuracy'"]),
        ("--model mlp --data broken.npz", ["broken.npz"]),
    ],
)
def test_unusable_data_sources_are_refused(run: Run, arguments: str, words: list[str]) -> None:
    rows = "\n".join(f"{i},{i * i % 7},{i / 3:.2f}" for i in range(40))
    Path("table.csv").write_text(f"a,b,y\n{rows}\n")
    Path("nan.csv").write_text(f"a,b,y\n{rows}\n1,2,\n")
    Path("broken.npz").write_bytes(b"PK\x03\x04 and then nothing")
    Path("images").mkdir()
    for part in ("train-images-idx3", "train-labels-idx1"):
        whole = gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 9]) + bytes(range(200)))
        (Path("images") / f"{part}-ubyte.gz").write_bytes(whole[: len(whole) // 2])
    refused(run("tune", "--study", "s", "--trials", "2", *arguments.split()), *words)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("tune --no-final", "No such option: --no-final. Did you mean --final off?"),
        ("tune --keep_models 3", "Did you mean --keep-models?"),
        ("tune --max-trials 3", "Did you mean --trials?"),
        ("tune --validation-split 0.2", "Did you mean --validation?"),
        ("tune --no-cv", "--folds takes a value; leave it out for its default."),
        ("tune --no-watch", "Leave out --watch."),
        ("tune --no-refits", "Did you mean --no-refit?"),
        ("tune --trails 3", "Did you mean --trials?"),
        ("resume s --epochs 3", "--epochs is an option of `paceline tune`."),
        ("tune --label price", "Did you mean --target?"),
        ("train --trials 3", "--trials is an option of `paceline tune`."),
        ("show s --jason", "Did you mean --json?"),
        ("tune --zebra", "No such option: --zebra"),
    ],
)
def test_unknown_options_name_the_one_that_is_meant(run: Run, command: str, says: str) -> None:
    result = run(*command.split())
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())


def test_limits_and_objective_have_to_be_given(run: Run, model: Path) -> None:
    refused(
        run("tune", f"{model}:build", "--data", "digits", "--objective", "val_loss"),
        "neither trials nor budget",
    )
    refused(
        run("tune", f"{model}:build", "--data", "digits", "--trials", "2"),
        "--objective val_accuracy",
    )


def test_a_file_that_cannot_be_run(run: Run) -> None:
    Path("bad.py").write_text("import a_library_that_is_not_there\n")
    refused(
        run("tune", "bad.py:build", "--data", "digits", "--trials", "2"),
        "a_library_that_is_not_there",
        "bad.py",
    )


def test_the_directory_of_another_study_is_left_as_it_is(
    run: Run, model: Path, finished: Path
) -> None:
    before = run("show", finished, "--json").stdout
    words = ["tune", "--study", finished, "--trials", "4", "--data", "digits", "--epochs", "2"]
    refused(run(*words, f"{model}:build", "--objective", "val_loss"), "val_loss", "val_accuracy")
    other = [*words, f"{model}:build", "--objective", "val_accuracy"]
    refused(run(*other, "--set", "dropout=0.25"), "the space differs", str(finished))
    refused(run(*other, "--validation", "0.3"), "validation is 0.3; expected 0.1")
    refused(run(*other, "--keep", "best"), "keep is 'best'")
    assert run("show", finished, "--json").stdout == before


def test_places_without_a_study(run: Run) -> None:
    refused(run("show", "s"), "s contains no study", "study.db")
    refused(run("resume", "s"), "s contains no study")


def test_train_needs_a_directory_of_its_own(run: Run, model: Path, finished: Path) -> None:
    refused(
        run("train", f"{model}:build", "--data", "digits", "--study", finished),
        "contains a study already",
    )


def test_a_budget_that_fits_no_trial_warns_and_runs_one(run: Run, model: Path) -> None:
    words = [
        "tune",
        f"{model}:build",
        "--data",
        "digits",
        "--objective",
        "val_loss",
        "--epochs",
        "1",
    ]
    result = run(*words, "--budget", "0.001", "--study", "s")
    assert result.exit_code == 0, result.output
    assert "does not fit one trial" in result.stderr
    assert "the time budget is used up" in result.stdout
    assert "Best configuration" in result.stdout


def test_a_backend_that_is_not_installed(tmp_path: Path, model: Path) -> None:
    words = [
        "tune",
        f"{model}:build",
        "--data",
        "digits",
        "--objective",
        "val_loss",
        "--trials",
        "1",
        "--study",
        "s",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "paceline", *words],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "abacus"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "KERAS_BACKEND=abacus" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "s").exists()
