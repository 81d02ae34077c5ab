"""One description of a study: what it prints, compares, stores, and the calls that repeat it."""

import shlex
from pathlib import Path
from typing import Any

import pytest

import paceline
from paceline import Settings
from paceline.cli import settings_options
from paceline.settings import reproduction
from paceline.settings.description import GROUPS
from paceline.settings.function import FUNCTION
from paceline.settings.keywords import OF_OPTIMIZE, OF_TUNE, TuneOptions, documentation, names
from paceline.settings.rules import Change, FromMemory
from paceline.space import Choice, Space

OBJECTS = {"start_with", "prior", "learn_from", "change_space", "space", "fixed"}
"""Options that are more than the value of one setting."""


def test_each_option_is_a_setting_and_is_documented() -> None:
    fields = {name for group in GROUPS.values() for name in group.rules()}
    assert set(names(TuneOptions)) - OBJECTS <= fields
    for groups in (OF_TUNE, OF_OPTIMIZE):
        for group in groups:
            own = set(vars(group)["__annotations__"])
            said = documentation(group)
            assert {name for base in groups for name in documentation(base)} >= own
            assert all(text.endswith(".") for text in said.values())


def test_settings_print_what_differs_from_the_defaults() -> None:
    settings = Settings().updated({"patience": 3, "folds": 5, "validation": ([1], [2]), "seed": 4})
    said = str(settings)
    assert "training    patience=3\n" in said
    assert "evaluation  validation=a tuple, passed from memory, folds=5\n" in said
    assert "data        defaults\n" in said


def test_differences_have_names_and_say_what_may_change() -> None:
    before = Settings().updated({"patience": 3, "trials": 8})
    after = Settings().updated({"patience": 4, "trials": 9, "final": 4})
    found = {one.name: (one.before, one.after, one.rule.change) for one in before.diff(after)}
    assert found == {
        "search.trials": (8, 9, Change.SILENT),
        "training.patience": (3, 4, Change.NEVER),
        "evaluation.final": ("auto", 4, Change.NOTED),
    }


def test_a_call_in_python_repeats_a_study(tmp_path: Path) -> None:
    def objective(hp: Any) -> float:
        return float(hp.Float("x", -1.0, 1.0) ** 2 + hp.Int("n", 0, 9) + hp.Boolean("b"))

    first = paceline.optimize(
        objective,
        "min",
        trials=4,
        search="random",
        seed=7,
        in_flight=1,
        fixed={"b": True},
        study=tmp_path / "first",
    )
    call = reproduction.python(first.settings, first.space, {})
    assert "paceline.optimize(\n    objective,\n    ('score', 'min')," in call
    again = eval(call, {"paceline": paceline, "objective": objective})
    assert [(t.config, t.score) for t in again.trials] == [
        (t.config, t.score) for t in first.trials
    ]


def test_what_came_from_memory_stands_by_its_name_and_has_no_command() -> None:
    settings = Settings().with_values(
        function={"build": FromMemory("build")}, data={"source": "digits"}
    )
    assert "paceline.tune(\n    build,\n    'digits'" in reproduction.python(settings, Space(), {})
    assert reproduction.command(settings, Space(), {}) is None


def test_a_command_says_every_option_that_is_not_at_its_default() -> None:
    given = {"patience": 2, "min_delta": 0.1, "final": "off", "refit": False, "shuffle": False}
    given |= {"class_weight": {"no": 1, "yes": 2.5}, "repeats": 3, "target": "a b", "trials": 9}
    settings = (
        Settings()
        .updated(given)
        .with_values(
            function={"model": "mlp", "fixed": {"units": 64, "batch_norm": True}},
            data={"source": "my data.csv"},
            training={"epochs": None},
            search={"schedule": {"schedule": "asha"}},
        )
    )
    space = Space({"epochs": Choice([5, 10])})
    words = shlex.split(reproduction.command(settings, space, {}) or "")
    text = " ".join(words)
    for part in ("--model mlp", "--data my data.csv", "--epochs 5,10", "--patience 2"):
        assert part in text
    for part in ("--min-delta 0.1", "--final off", "--no-refit", "--no-shuffle", "--target a b"):
        assert part in text
    for part in ("--class-weight no=1,yes=2.5", "--set units=64", "--set batch_norm=yes"):
        assert part in text
    assert "--keep" not in text


@pytest.mark.parametrize("given", [{"patience": 0}, {"keep": "first"}, {"final": 1}])
def test_values_that_are_not_valid_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(paceline.InvalidInput, match=next(iter(given))):
        Settings().updated(given)


@pytest.mark.parametrize("text", ["False", "off", "no", "None"])
def test_no_final_may_be_typed_as_in_python(text: str) -> None:
    assert Settings().updated(settings_options.given({"final": text})).evaluation.final == "off"


def test_not_given_is_not_the_default(tmp_path: Path) -> None:
    def steps(hp: Any) -> None:
        for step in range(2):
            hp.report(hp.Float("x", 0, 1) + step)

    def go(**options: Any) -> paceline.Study:
        return paceline.optimize(steps, "min", search="random", study=tmp_path / "s", **options)

    first = go(trials=2, epochs=2, seed=3, final=2)
    assert first.settings.function.kind == FUNCTION
    later = go(trials=3)
    assert (later.settings.training.epochs, later.settings.search.seed) == (2, 3)
    assert later.settings.evaluation.final == 2
    with pytest.raises(paceline.StudyMismatch, match="seed is 0; expected 3"):
        go(trials=4, seed=0)
