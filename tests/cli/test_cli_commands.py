"""Every command, run for real on small budgets."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from paceline.cli.options import place_of, study_of
from paceline.cli.single import choose
from paceline.core import InvalidInput
from paceline.space import Boolean, Choice, Condition, Float, Int, Space

Run = Callable[..., Result]


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_directory_of_a_study_is_named_after_the_data(run: Run) -> None:
    for data, name in (
        ("folder:photos?size=96", "photos"),
        ("folder:/data/photos/", "photos"),
        ("data/houses.csv", "houses"),
        ("mnist", "mnist"),
    ):
        assert study_of(None, place_of(data)) == Path("runs", name)


def test_help_and_version_are_answered_without_the_heavy_libraries() -> None:
    program = (
        "import sys; from paceline.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = 'jax keras sklearn pandas ray plotly rich sqlalchemy scipy numpy'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    for option in ("--help", "--version"):
        done = subprocess.run(
            [sys.executable, "-c", program, option], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip().endswith("[]")
        assert "paceline" in done.stdout


def test_help_lists_every_command(run: Run) -> None:
    told = run("--help").stdout
    for command in ("demo", "tune", "train", "show", "resume", "data", "warm"):
        assert f"\n  {command} " in told
    assert "..." not in told.replace("ARGS]...", "")


def test_demo_ends_with_the_best_configuration_its_scores_and_where_everything_is(run: Run) -> None:
    result = run("demo", "--trials", "2", "--epochs", "2")
    assert result.exit_code == 0, result.output
    for words in (
        "Best configuration",
        "learning_rate",
        "val_accuracy 0.",
        "Test: accuracy 0.",
        "There is no final",
        "runs/demo",
    ):
        assert words in result.stdout
    assert Path("runs/demo/best.keras").exists()
    assert "\x1b" not in result.output
    assert study_of(None, "demo") == Path(
        "runs/demo-2"
    )  # a second one takes a directory of its own


def test_tune_goes_on_where_it_stopped(run: Run, model: Path) -> None:
    words = [
        "tune",
        f"{model}:build",
        "--data",
        "digits",
        "--objective",
        "val_accuracy:max",
        "--epochs",
        "1",
    ]
    assert run(*words, "--trials", "1", "--study", "s").exit_code == 0
    assert run(*words, "--trials", "2", "--study", "s", "--no-display").exit_code == 0
    assert len(strict(run("show", "s", "--json").stdout)["trials"]) == 2


@pytest.mark.exhaustive
def test_numbers_with_commas_become_hyperparameters(run: Run, model: Path) -> None:
    result = run(
        "tune",
        f"{model}:build",
        "--data",
        "digits",
        "--objective",
        "val_loss",
        "--epochs",
        "1,2",
        "--batch-size",
        "64,128",
        "--trials",
        "2",
        "--study",
        "s",
    )
    assert result.exit_code == 0, result.output
    told = strict(run("show", "s", "--json").stdout)
    assert {"epochs", "batch_size"} <= set(told["trials"][0]["config"])
    assert run("resume", "s", "--trials", "3").exit_code == 0


@pytest.mark.exhaustive
def test_class_weights_are_the_studys(run: Run, model: Path) -> None:
    words = [
        "tune",
        f"{model}:build",
        "--data",
        "digits",
        "--objective",
        "val_loss",
        "--epochs",
        "1",
        "--trials",
        "2",
    ]
    assert run(*words, "--seed", "1", "--study", "even").exit_code == 0
    assert run(*words, "--seed", "1", "--study", "s", "--class-weight", "0=1,3=50").exit_code == 0
    told = strict(run("show", "s", "--json").stdout)
    assert told["settings"]["training"]["class_weight"] == {"0": 1.0, "3": 50.0}
    even = strict(run("show", "even", "--json").stdout)
    assert [trial["config"] for trial in told["trials"]] == [
        trial["config"] for trial in even["trials"]
    ]
    assert [trial["score"] for trial in told["trials"]] != [
        trial["score"] for trial in even["trials"]
    ]


def test_show_json_has_what_is_promised(run: Run, finished: Path) -> None:
    told = strict(run("show", finished, "--json").stdout)
    assert {"trials", "best", "space", "seconds", "programs_compiled", "state", "objective"} <= set(
        told
    )
    assert [trial["number"] for trial in told["trials"]] == [0, 1, 2]
    for trial in told["trials"]:
        assert trial["state"] == "completed"
        assert trial["epochs"] == 2
        assert trial["seconds"] > 0
        assert set(trial["config"]) == {"dropout", "learning_rate"}
    assert told["best"]["score"] == max(trial["score"] for trial in told["trials"])
    assert told["state"] == "finished"
    assert told["test"]["accuracy"] > 0
    assert [h["name"] for h in told["space"]["hyperparameters"]] == ["dropout", "learning_rate"]


def test_show_reads_as_sentences(run: Run, finished: Path) -> None:
    told = run("show", finished).stdout
    for words in (
        "It is finished",
        "3 trials (3 completed)",
        "Best configuration (trial ",
        "Validation, after epoch 2",
    ):
        assert words in told
    assert "\x1b" not in told


def test_resume_finds_build_and_data_again_and_adds_trials(run: Run, model: Path) -> None:
    words = [
        "tune",
        f"{model}:build",
        "--data",
        "digits",
        "--objective",
        "val_accuracy",
        "--epochs",
        "1",
    ]
    assert run(*words, "--trials", "2", "--study", "s").exit_code == 0
    result = run("resume", "s", "--trials", "4")
    assert result.exit_code == 0, result.output
    assert "4 trials (4 completed)" in result.stdout


def test_failed_trials_are_told_with_their_reason(run: Run, model: Path) -> None:
    words = [
        "tune",
        f"{model}:late",
        "--data",
        "digits",
        "--objective",
        "val_loss",
        "--epochs",
        "1",
        "--seed",
        "1",
    ]
    result = run(*words, "--trials", "6", "--study", "s")
    assert result.exit_code == 0, result.output
    told = run("show", "s").stdout
    assert "failed (" in told
    assert "): ValueError: [red]too much[/red] is dropped\n" in told
    assert "It is finished: all 6 trials have ended." in told


def test_when_all_trials_fail_it_says_so_and_ends(run: Run, model: Path) -> None:
    words = [
        "tune",
        f"{model}:failing",
        "--data",
        "digits",
        "--objective",
        "val_loss",
        "--epochs",
        "1",
        "--seed",
        "1",
    ]
    result = run(*words, "--trials", "12", "--search", "random", "--study", "s")
    assert result.exit_code == 2
    assert "the first 10 trials all failed" in result.stderr
    assert "ValueError: never in training" in result.stderr
    assert f"paceline show {Path('s').absolute()}" in result.stderr


def test_train_takes_what_is_set_and_defaults_for_the_rest(run: Run, model: Path) -> None:
    result = run(
        "train",
        f"{model}:build",
        "--data",
        "digits",
        "--set",
        "learning_rate=0.05",
        "--epochs",
        "2",
    )
    assert result.exit_code == 0, result.output
    assert "learning_rate  0.05" in result.stdout
    assert "dropout        0" in result.stdout
    assert "Validation, after epoch 2: val_accuracy" in result.stdout
    assert "Test: accuracy" in result.stdout
    assert Path("runs/train-digits/best.keras").exists()
    told = strict(run("show", "runs/train-digits", "--json").stdout)
    assert len(told["trials"]) == 1
    assert told["trials"][0]["origin"] == "given"


def test_data_lists_the_named_sets(run: Run) -> None:
    told = run("data").stdout
    for name in ("digits", "mnist", "fashion_mnist", "kmnist", "california_housing"):
        assert name in told
    assert {info["name"] for info in strict(run("data", "--json").stdout)} >= {"digits", "mnist"}


SPACE = Space(
    [
        Int("layers", 1, 3, default=2),
        Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3),
        Boolean("norm"),
        Choice("optimizer", ["adam", "sgd"]),
        Float("momentum", 0.5, 0.99, default=0.9, conditions=[Condition("optimizer", "sgd")]),
    ]
)


def test_a_question_for_each_open_hyperparameter_and_again_after_a_wrong_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[tuple[str, str]] = []
    answers = iter(["7", "x", "3", "yes", "sgd", "0.6"])

    def ask(question: str, default: str) -> str:
        asked.append((question, default))
        return next(answers)

    config = choose(SPACE, {"rate": "0.01"}, ask)
    assert config == {"layers": 3, "rate": 0.01, "norm": True, "optimizer": "sgd", "momentum": 0.6}
    assert asked[0] == ("layers (1 to 3)", "2")
    assert [question.split()[0] for question, _ in asked] == ["layers"] * 3 + [
        "norm",
        "optimizer",
        "momentum",
    ]
    assert capsys.readouterr().err.count("expected") == 2


def test_nobody_to_ask_means_defaults() -> None:
    assert choose(SPACE, {"layers": "1"}, None) == {
        "layers": 1,
        "rate": 1e-3,
        "norm": False,
        "optimizer": "adam",
    }


@pytest.mark.parametrize("text", ["layers=9", "norm=perhaps", "depth=2", "momentum=0.6"])
def test_values_of_set_are_checked_against_the_space(text: str) -> None:
    name, _, value = text.partition("=")
    with pytest.raises(InvalidInput, match="expected"):
        choose(SPACE, {name: value}, None)
