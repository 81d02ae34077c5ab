"""Every option of the commands that train refuses what it cannot use: exit code 2, one message,
nothing written.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from paceline.cli.app import app

Run = Callable[..., Result]

COUNT, TIME, BYTES = "a whole number of at least", "'5m'", "'8GiB'"
SHARED = {
    "--data": [("digitz", "Did you mean 'digits'")],
    "--objective": [("quality", "--objective quality:max"), ("val_loss:up", "'up'")],
    "--batch-size": [("0", "batch_size is 0"), ("many", "--batch-size 32,64")],
    "--validation": [("1.5", "validation is 1.5")],
    "--keep": [("first", "'last', 'best'")],
    "--memory": [("lots", BYTES)],
    "--data-dir": [("nowhere", "data_dir is 'nowhere', which is not a folder")],
    "--target": [("", "target is ''")],
    "--task": [("cluster", "'cluster'")],
    "--test": [("1.5", "test is 1.5"), ("nowhere.csv", "nowhere.csv")],
    "--groups": [("site", "site")],
    "--epochs": [("0", "epochs is 0")],
    "--decimal": [(";", "decimal is ';'")],
    "--texts": [("tfdf", "'tfidf'"), ("=tfidf", "each column once with its mode")],
}
SEARCHED = {
    **SHARED,
    "--trials": [("0", "trials is 0")],
    "--budget": [("soon", TIME)],
    "--search": [("best", "'best'")],
    "--schedule": [("best", "'best'")],
    "--set": [("units", "NAME=VALUE"), ("units=3", "'units'")],
}
ON_RAY = {
    "--address": [
        ("somewhere", "address is 'somewhere'"),
        ("a:1", "without an executor that has it"),
    ],
    "--cpus-per-worker": [
        ("0", "cpus_per_worker is 0.0"),
        ("1", "without an executor that has it"),
    ],
    "--gpus-per-worker": [("-1", "gpus_per_worker is -1.0")],
}
ENDED = {
    "--executor": [("besst", "executor is 'besst'")],
    **ON_RAY,
    "--prefer": [("big", "'small', 'fast'")],
    "--callback": [("besst", "'besst'")],
}
TABLE: Mapping[str, Mapping[str, list[tuple[str, str]]]] = {
    "tune": {
        **SEARCHED,
        "--model": [("mpl", "Did you mean 'mlp'")],
        "--validation-batch-size": [("0", "validation_batch_size is 0")],
        "--steps-per-epoch": [("0", "steps_per_epoch is 0")],
        "--validation-steps": [("0", "validation_steps is 0")],
        "--study": [("", "study is")],
        "--seed": [("-1", "seed is -1")],
        "--patience": [("0", "patience is 0")],
        "--min-delta": [("-1", "min_delta is -1.0")],
        "--repeats": [("0", "repeats is 0")],
        "--folds": [("1", "folds is 1")],
        "--final": [("1", "final is 1"), ("often", "'often'"), ("0", "'strict' or 'off'")],
        "--prefer": [("big", "'small', 'fast'")],
        "--keep-models": [("0", "keep_models is 0")],
        "--class-weight": [("3", "--class-weight 0=1,1=5"), ("0=1,99=2", "99")],
        "--executor": [("besst", "executor is 'besst'")],
        **ON_RAY,
        "--store": [("besst", "store is 'besst'")],
        "--callback": [("besst", "'besst'")],
        "--workers": [("2", "workers was given with a study of networks")],
        "--time-limit": [("1m", "time_limit was given with data")],
        "--memory-limit": [("1GiB", "memory_limit was given with data")],
    },
    "compare": {
        **SEARCHED,
        "--model": [("mpl", "Did you mean 'mlp'")],
        "--search": [("best", "'best'"), ("random,random", "different names")],
        "--schedule": [("best", "'best'")],
        "--seeds": [("0", "seeds is 0")],
        "--directory": [("", "a path")],
    },
    "ladder": {
        **SHARED,
        "--seeds": [("1", "seeds is 1")],
        "--seed": [("-1", "seed is -1")],
        "--study": [("", "study is")],
        "--batch-size": [("0", "batch_size is 0")],
    },
    "resume": {
        "--trials": [("0", "trials is 0")],
        "--budget": [("soon", TIME)],
        "--build": [("nowhere.py:build", "nowhere.py")],
        "--data": [("digitz", "Did you mean 'digits'")],
        "--keep-models": [("0", "keep_models is 0")],
        "--memory": [("lots", BYTES)],
        "--data-dir": [("nowhere", "data_dir is 'nowhere', which is not a folder")],
        "--search": [("best", "'best'")],
        "--schedule": [("best", "'best'")],
        "--final": [("1", "final is 1"), ("often", "'often'"), ("0", "'strict' or 'off'")],
        "--workers": [("2", "workers was given with a study of networks")],
        "--time-limit": [("1m", "time_limit was given with a study of networks")],
        "--memory-limit": [("1GiB", "memory_limit was given with a study of networks")],
        **ENDED,
    },
    "finish": {
        "--build": [("nowhere.py:build", "nowhere.py")],
        "--data": [("digitz", "Did you mean 'digits'")],
        "--memory": [("lots", BYTES)],
        "--data-dir": [("nowhere", "data_dir is 'nowhere', which is not a folder")],
        "--keep-models": [("0", "keep_models is 0")],
        "--workers": [("2", "workers was given with a study of networks")],
        **ENDED,
    },
    "ablate": {
        "--memory": [("lots", BYTES)],
        "--pairs": [("1", "pairs is 1")],
        "--build": [("nowhere.py:build", "nowhere.py")],
        "--data": [("digitz", "Did you mean 'digits'")],
        "--data-dir": [("nowhere", "data_dir is 'nowhere', which is not a folder")],
    },
}


def options(command: str) -> set[str]:
    """The options of a command that take a value."""
    found = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    with found.make_context(command, [], resilient_parsing=True) as context:
        params = found.get_params(context)
    every = [
        one for one in params if one.param_type_name == "option" and not (one.is_flag or one.count)
    ]
    return {max(one.opts, key=len) for one in every}


@pytest.mark.parametrize("command", TABLE)
def test_every_option_has_an_entry(command: str) -> None:
    assert options(command) == set(TABLE[command])


@pytest.mark.parametrize("command", ["tune", "compare", "ladder"])
def test_options_of_what_begins(
    command: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PACELINE_DATA", raising=False)
    given = {"--data": "digits", "--objective": "val_accuracy", "--trials": "2"}
    given |= {"--directory" if command == "compare" else "--study": "s", "--epochs": "1"}
    what = f"{model}:RUNGS" if command == "ladder" else f"{model}:build"
    if command == "ladder":
        del given["--trials"]
    for option, wrong in TABLE[command].items():
        for value, message in wrong:
            own = {**given, option: value}
            words = [word for pair in own.items() for word in pair]
            refused(
                [command, *([] if option == "--model" else [what]), *words],
                f"{option} {value}",
                message,
            )
            assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["resume", "finish", "ablate"])
def test_wrong_options_with_an_existing_study_leave_it_unchanged(
    command: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = files(finished)
    for option, wrong in TABLE[command].items():
        for value, message in wrong:
            refused([command, str(finished), option, value], f"{option} {value}", message)
            assert files(finished) == before
            assert list(tmp_path.iterdir()) == []


def files(directory: Path) -> dict[str, str]:
    every = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in every}


def refused(words: list[str], what: str, message: str) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, f"{what}: {result.output}"
    assert message in " ".join(result.output.split()), f"{what}: {result.output}"
    assert "Traceback" not in result.output
