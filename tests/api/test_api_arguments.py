"""Every argument of every public function refuses what it cannot use, by name, before anything is
done or written.
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import paceline
from paceline import InvalidInput
from paceline.search import Normal
from paceline.settings.keywords import TuneOptions, names

X = np.linspace(0, 1, 80, dtype="float32").reshape(20, 4)
ROWS = (X, X.sum(axis=1))


def build(hp: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), loss="mse")
    return model


def unbuilt(hp: Any) -> Any:
    """Stands where what is wrong has to be found before a model is built."""
    pytest.fail("build(hp) was called")


NETWORKS: dict[str, Any] = {
    "build": unbuilt,
    "data": ROWS,
    "objective": "val_loss",
    "trials": 1,
    "epochs": 1,
    "search": "random",
    "final": False,
    "seed": 1,
    "display": False,
}
FUNCTIONS: dict[str, Any] = {"build": unbuilt, "objective": "max", "trials": 1, "display": False}

COUNT = "a whole number of at least"
TIME, BYTES = "a positive time such as '90s'", "an amount of at least 4 KiB"
FLAG = "expected True or False"
DIRECTORY = [
    (5, "a path"),
    (True, "a path"),
    ("", "a path"),
    (" ", "a path"),
    ("a\0b", "the path of a directory"),
]


def counts(least: int = 1, *others: Any) -> list[tuple[Any, str]]:
    """What is no whole number of at least so much."""
    wrong = (
        least - 1,
        least + 0.5,
        "3",
        True,
        np.bool_(True),
        np.float64(3),
        [3],
        float("nan"),
        *others,
    )
    return [(value, f"{COUNT} {least}") for value in wrong]


def flags(*others: Any) -> list[tuple[Any, str]]:
    return [(value, FLAG) for value in (1, 0, "yes", "maybe", np.int64(1), np.ones(2), *others)]


TIMES = [
    (value, TIME) for value in (0, -1, "soon", True, [5], float("inf"), float("nan"), np.ones(2))
]
AMOUNTS = [(value, BYTES) for value in ("lots", 0, 1, -1, True, [2**30], float("nan"), np.ones(2))]
NAMES = {"search": r"'grid', 'random'", "schedule": r"'asha'"}

Wrong = Mapping[str, list[tuple[Any, str]]]
"""By argument: bad values, and what the message has to say, a regular expression."""

OF_DATA: Wrong = {
    "target": [("y", "target is 'y' and the data has a separate target; expected")],
    "data_dir": [
        (5, "data_dir is 5; expected"),
        ("", "data_dir is ''; expected"),
        ("nowhere", "an existing folder"),
    ],
    "test": [(v, r"test is .*; expected") for v in (1.5, -0.1, True, "nowhere.csv", [1])],
    "sample_weight": [
        (v, "sample_weight .*; expected") for v in (np.ones(3), "x", -np.ones(20), 5)
    ],
    "task": [(v, f"task is {v!r}; expected") for v in ("cluster", 5)],
    "decimal": [(v, f"decimal is {v!r}; expected") for v in (";", 5)],
    "shuffle": [(v, f"shuffle is {v!r}; expected True or False") for v in (1, "no")],
    "standardize": [(v, f"standardize is {v!r}; expected") for v in (1, "no")],
    "scale_target": [(v, f"scale_target is {v!r}; expected") for v in (1, "no")],
    "in_memory": [
        *((v, f"in_memory is {v!r}; expected") for v in (1, "no")),
        (False, "in_memory is False and data is in memory; expected"),
    ],
    "texts": [
        (5, "texts is 5; expected 'tfidf'"),
        ("tfdf", "Did you mean 'tfidf'"),
        ({"a": "words"}, "'tfidf', 'sequences', 'off'"),
    ],
}

TUNE: Wrong = {
    "build": [
        (5, "build is 5"),
        (None, "build is None"),
        ("model", "'model'"),
        ("nowhere.py:build", "nowhere.py"),
    ],
    "data": [
        (5, "data is 5"),
        ("digitz", "Did you mean 'digits'"),
        ((X, X[:3]), "20.*3"),
        ({}, "data"),
    ],
    "objective": [
        (5, "objective is 5"),
        ("", "objective is ''"),
        (None, "no objective was given"),
        (b"val_loss", "objective is"),
        (["val_loss", "val_mae"], r"objective is \['val_loss', 'val_mae'\].*one metric"),
        (keras.metrics.AUC(), r"objective is <AUC.*Keras logs this one as 'auc'"),
        (("a",), "objective is"),
        (("val_loss", "up"), "direction is 'up'"),
        ({"val_loss": "min"}, "objective is"),
        ("quality", "'quality'"),
        (np.ones(2), "objective is"),
        (True, "objective is True"),
    ],
    "epochs": [
        *counts(),
        (0, r"such as paceline\.Choice\(\[10, 20\]\)"),
        (paceline.Float(1, 2), "whole numbers"),
        (paceline.Choice(["a"]), "whole numbers"),
    ],
    "batch_size": [*counts(), (paceline.Choice([16, 0]), "whole numbers")],
    "validation_batch_size": counts(),
    "steps_per_epoch": counts(),
    "validation_steps": counts(),
    "trials": [*counts(), (None, "neither trials nor budget was given")],
    "budget": TIMES,
    "search": [(v, NAMES["search"]) for v in (5, "best", np.ones(2))],
    "schedule": [(v, NAMES["schedule"]) for v in (5, "best", np.ones(2))],
    "start_with": [
        (5, "a list of configurations"),
        ({"rate": 0.1}, "Put a single one into a list"),
        ([5], r"start_with\[0\] is 5"),
        ("rate", "a list of configurations"),
    ],
    "prior": [
        (5, "prior is 5"),
        ({"rate": 5}, "rate"),
        ({5: Normal(1)}, "prior is"),
        ({"rate": Normal(0.01)}, "search='auto' or 'bayes'"),
    ],
    "learn_from": [(5, "learn_from is 5"), ("nowhere", "nowhere")],
    "ordered": [(1, FLAG), ("yes", FLAG), (np.ones(2), FLAG)],
    "in_flight": counts(),
    "seed": counts(0),
    "study": DIRECTORY,
    "validation": [(v, "validation is") for v in (0, 1, 1.5, -0.1, "x", True, float("nan"), [1])],
    "patience": counts(),
    "min_delta": [(v, "min_delta is .*at least 0") for v in (-0.1, "x", float("nan"), True)],
    "keep": [(v, "keep is .*'last', 'best'") for v in ("first", 5, None, True)],
    "class_weight": [(v, "class_weight .*; expected") for v in (5, "heavy", {0: "x"}, {0: 1.0})],
    "repeats": counts(),
    "folds": [*counts(2)[:6], ({}, COUNT), ([5], "folds contains 5"), ("x", COUNT)],
    "groups": [
        (np.ones(3), r"groups has shape \(3,\)"),
        ("site", "'site'"),
        (5, "groups"),
        ([None] * 20, "groups"),
    ],
    "final": [
        *counts(2, "sometimes"),
        (np.ones(2), COUNT),
        (1, r"at least 2 \(fresh trainings of each finalist\)"),
    ],
    "prefer": [(v, "prefer is .*'small', 'fast'") for v in ("big", 5, True)],
    "refit": flags(),
    "test_trials": flags(None),
    "keep_models": counts(),
    "change_space": flags(None),
    "memory": AMOUNTS,
    "merge": flags(),
    "display": flags(None),
    "fixed": [(5, "fixed is 5"), ({5: 1}, "fixed is"), ([], "fixed is")],
    "space": [({"x": paceline.Float(0, 1)}, "space was given with")],
    "workers": [(2, "workers was given with")],
    "time_limit": [("1m", "time_limit was given with")],
    "memory_limit": [("1GiB", "memory_limit was given with")],
    "store": [("besst", "'besst'"), (5, "store is 5")],
    "executor": [("besst", "executor is 'besst'"), (5, "executor is 5")],
    "address": [(5, "address is 5"), ("auto", "given without an executor that has it")],
    "cpus_per_worker": [(0, "a number above 0"), ("x", "is 'x'"), (1.0, "executor='ray' with it")],
    "gpus_per_worker": [(-1, "a number above 0"), (True, "is True"), (1.0, "executor='ray'")],
    "callbacks": [(5, "callbacks is 5")],
    **OF_DATA,
}

MEANS_NOTHING = {
    "validation_batch_size": 8,
    "steps_per_epoch": 3,
    "validation_steps": 2,
    "in_memory": True,
    "texts": "off",
    "validation": 0.2,
    "patience": 2,
    "min_delta": 0.1,
    "keep": "best",
    "repeats": 2,
    "class_weight": np.ones(2),
    "folds": 3,
    "groups": np.ones(3),
    "prefer": "small",
    "refit": True,
    "test_trials": True,
    "keep_models": 2,
    "memory": "1GiB",
    "merge": False,
    "target": "y",
    "data_dir": ".",
    "test": np.ones(3),
    "decimal": ",",
    "sample_weight": np.ones(3),
    "task": "regression",
    "shuffle": False,
    "standardize": True,
    "scale_target": True,
}
TUNE_FUNCTION: Wrong = {
    **{
        name: TUNE[name]
        for name in TUNE
        if name not in {*MEANS_NOTHING, "batch_size", "data", "build"}
    },
    "build": [
        (5, "build is 5; expected a function of hp"),
        (None, "build is None"),
        ("nowhere.py:f", "nowhere.py"),
    ],
    "data": [],
    "prior": TUNE["prior"][:3],
    "epochs": counts(),
    "space": [
        (5, "space is 5"),
        ({"x": 5}, "5"),
        ([], r"space is \[\]"),
        ({5: paceline.Float(0, 1)}, "space is"),
        (np.ones(2), "space is"),
    ],
    "workers": counts(),
    "time_limit": [*TIMES, ("1m", "time_limit was given without workers")],
    "memory_limit": [*AMOUNTS, ("1GiB", "memory_limit was given without workers")],
    "fixed": [*TUNE["fixed"], ({"x": [1]}, r"fixed\['x'\] is \[1\]")],
    **{
        name: [(value, f"{name} was given without data; expected no {name}, or data")]
        for name, value in {"batch_size": 16, **MEANS_NOTHING}.items()
    },
}


def files(directory: Path) -> dict[str, str]:
    """What a directory holds."""
    every = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in every
    }


def refuses(
    function: Callable[..., Any], name: str, wrong: Wrong, given: Mapping[str, Any]
) -> None:
    """Calls a function with each bad value of an argument, which it has to refuse as the table
    says.
    """
    for value, message in wrong[name]:
        with pytest.raises(InvalidInput) as error:
            function(**{**given, name: value})
        told = str(error.value)
        assert re.search(message, told), f"{name} = {value!r}: {told}"
        assert "; expected " in told
        assert name in told or name == "data", told


def arguments(function: Callable[..., Any]) -> set[str]:
    """All that a function takes, its typed options among them."""
    parameters = inspect.signature(function).parameters
    found = set(parameters) - {"options"}
    is_typed = "options" in parameters and parameters["options"].annotation is not Any
    return found | set(names(TuneOptions)) if is_typed else found


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.parametrize("name", TUNE)
def test_tune_with_data(name: str, tmp_path: Path) -> None:
    refuses(paceline.tune, name, TUNE, {**NETWORKS, "study": "s"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TUNE_FUNCTION)
def test_tune_of_a_function(name: str, tmp_path: Path) -> None:
    refuses(paceline.tune, name, TUNE_FUNCTION, {**FUNCTIONS, "study": "s"})
    assert list(tmp_path.iterdir()) == []


# -- of a study that is there


def function(hp: Any) -> float:
    return float(hp.Float("x", 0.0, 1.0))


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A study of one network, one of a function, one that is told by hand, and a directory without
    any.
    """
    top = tmp_path_factory.mktemp("studies")
    paceline.tune(**{**NETWORKS, "build": build, "study": top / "networks"})
    paceline.tune(**{**FUNCTIONS, "build": function, "study": top / "function"})
    paceline.open_study(top / "asked", {"x": paceline.Float(0, 1)}, "max", seed=1).close()
    (top / "empty").mkdir()
    return {name: top / name for name in ("networks", "function", "asked", "empty")}


STUDY = [*DIRECTORY, ("nowhere", "nowhere contains no study")]
GIVEN_AGAIN: Wrong = {
    "study": STUDY,
    "build": [(5, "build is 5"), ("model", "'model'"), ("nowhere.py:build", "nowhere.py")],
    "data": [
        (5, "data is 5"),
        ("digitz", "Did you mean 'digits'"),
        ((X, X[:3]), "20.*3"),
    ],
    "validation": TUNE["validation"],
    "folds": TUNE["folds"],
    "groups": TUNE["groups"],
    "display": TUNE["display"],
    "trust": flags(None),
    **OF_DATA,
}
OPTIONS_AGAIN: Wrong = {
    **{
        name: [(value, message) for value, message in TUNE[name] if value is not None]
        for name in names(TuneOptions)
    },
    "prior": TUNE["prior"][:3],
}
RESUME: Wrong = {
    **GIVEN_AGAIN,
    **OPTIONS_AGAIN,
    **{name: TUNE[name] for name in ("budget", "search", "schedule", "callbacks")},
    "trials": counts(),
}
FIRST_AGAIN: Wrong = {name: wrong[:1] for name, wrong in OPTIONS_AGAIN.items()}
FINISH: Wrong = {**FIRST_AGAIN, **GIVEN_AGAIN, "callbacks": TUNE["callbacks"]}
ABLATE: Wrong = {**FINISH, "pairs": counts(2)}
WITH_STUDY = {"resume": RESUME, "finish": FINISH, "ablate": ABLATE}
CASES = [(face, name) for face, wrong in WITH_STUDY.items() for name in wrong]


@pytest.mark.parametrize(("face", "name"), CASES)
def test_wrong_arguments_with_an_existing_study_leave_it_unchanged(
    face: str, name: str, studies: Mapping[str, Path], tmp_path: Path
) -> None:
    before = files(studies["networks"])
    given = {"study": studies["networks"], "build": unbuilt, "data": ROWS, "display": False}
    refuses(getattr(paceline, face), name, WITH_STUDY[face], given)
    assert files(studies["networks"]) == before
    assert list(tmp_path.iterdir()) == []


ONLY_NETWORKS = MEANS_NOTHING


@pytest.mark.parametrize("face", ["resume", "finish"])
@pytest.mark.parametrize("name", [*ONLY_NETWORKS, "data"])
def test_options_of_networks_are_refused_with_a_study_of_a_function(
    face: str, name: str, studies: Mapping[str, Path]
) -> None:
    before = files(studies["function"])
    value = ROWS if name == "data" else ONLY_NETWORKS[name]
    with pytest.raises(InvalidInput, match=f"{name} was given with a study of a function"):
        getattr(paceline, face)(studies["function"], function, **{name: value})
    assert files(studies["function"]) == before


OPEN: Wrong = {
    **{name: TUNE[name] for name in ("store", "callbacks")},
    "study": DIRECTORY,
    "space": [*TUNE_FUNCTION["space"], ({}, "no space was given"), (None, "no space was given")],
    "objective": [*TUNE["objective"], (None, "no objective was given")],
    "search": TUNE["search"],
    "seed": counts(0),
    "change_space": flags(None),
    "callbacks": TUNE["callbacks"],
}


@pytest.mark.parametrize("name", OPEN)
def test_open_study(name: str, tmp_path: Path, studies: Mapping[str, Path]) -> None:
    given = {"study": "s", "space": {"x": paceline.Float(0, 1)}, "objective": "max"}
    refuses(paceline.open_study, name, OPEN, given)
    assert list(tmp_path.iterdir()) == []
    if name in ("search", "seed"):
        before = files(studies["asked"])
        refuses(paceline.open_study, name, OPEN, {**given, "study": studies["asked"]})
        assert files(studies["asked"]) == before


def test_load_study() -> None:
    refuses(paceline.load_study, "study", {"study": STUDY}, {})


# -- studies side by side

COMPARE: Wrong = {
    "build": [(5, "build is 5"), (None, "build is None"), ("model", "'model'")],
    "data": [(None, "batch_size was given without data")],
    "searches": [
        ("random", r"searches is 'random'; expected a list of names, such as \['random'\]"),
        (5, "searches is 5"),
        (["radnom"], "one of searches is 'radnom'.*Did you mean 'random'"),
        ([5], "one of searches is 5"),
        ([], "nothing to compare was given"),
        (np.ones(2), "searches is array"),
    ],
    "schedules": [
        ("full", r"schedules is 'full'"),
        (["fll"], "Did you mean 'full'"),
        (5, "schedules is 5"),
    ],
    "methods": [
        (5, "methods is 5"),
        ({"a": 5}, "methods gives 'a' as 5"),
        ({5: {}}, "methods is"),
        (
            {"a": {"trails": 3}},
            r"methods gives 'a' with trails was given to tune.*Did you mean 'trials'",
        ),
        ({"a": {"search": "best"}}, r"methods gives 'a' with search is 'best'"),
    ],
    "seeds": [
        *counts()[:6],
        ([], "seeds is"),
        ([1, 1], r"seeds is \[1, 1\]"),
        ([-1], "one of seeds is -1"),
        ([1, "x"], "one of seeds is 'x'"),
        (np.array([0.5]), "one of seeds is"),
        (None, "seeds is None"),
    ],
    "trials": TUNE["trials"],
    "budget": TIMES,
    "directory": DIRECTORY,
    "say": [(5, "say is 5; expected a function"), ("x", "say is 'x'")],
}
LADDER: Wrong = {
    "rungs": [
        (5, "rungs is 5"),
        ({}, "rungs is {}"),
        ({"a": unbuilt}, "at least two"),
        ([unbuilt] * 2, "rungs is"),
        ({"a": unbuilt, "b": 5}, "rungs is"),
        ({1: unbuilt, 2: unbuilt}, "rungs is"),
    ],
    "data": [(None, "data is None"), ("digitz", "Did you mean 'digits'")],
    "steps": [
        (5, "steps is 5"),
        ([5], r"steps is \[5\]"),
        ([("a", "z")], "pairs of different rungs among a and b"),
        ([("a", "a")], "steps is"),
        ("ab", "steps is"),
        ([("a", [1])], "steps is"),
        ([("a", "b", "a")], "steps is"),
    ],
    "seeds": counts(2, None),
    "objective": [case for case in TUNE["objective"] if case[0] is not None],
    "study": DIRECTORY,
}


@pytest.mark.parametrize("name", COMPARE)
def test_compare(name: str, tmp_path: Path) -> None:
    given = {**NETWORKS, "searches": ["random"], "directory": "s", "batch_size": 16}
    del given["search"], given["seed"]
    refuses(paceline.compare, name, COMPARE, given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", LADDER)
def test_ladder(name: str, tmp_path: Path) -> None:
    given = {
        "rungs": {"a": unbuilt, "b": unbuilt},
        "data": ROWS,
        "study": "s",
        "objective": "val_loss",
    }
    refuses(paceline.ladder, name, LADDER, given)
    assert list(tmp_path.iterdir()) == []


SHARED = ("epochs", "batch_size", "patience", "keep", "memory", "display", "in_flight")


@pytest.mark.parametrize("name", SHARED)
def test_arguments_of_tune_are_checked_before_anything_runs(name: str, tmp_path: Path) -> None:
    few = {name: TUNE[name][:2]}
    shared = {"data": ROWS, "objective": "val_loss"}
    refuses(
        paceline.compare,
        name,
        few,
        {**shared, "build": unbuilt, "searches": ["grid"], "directory": "s"},
    )
    refuses(
        paceline.ladder, name, few, {**shared, "rungs": {"a": unbuilt, "b": unbuilt}, "study": "s"}
    )
    assert list(tmp_path.iterdir()) == []


# -- names

FACES: list[tuple[Callable[..., Any], Wrong]] = [
    (paceline.tune, TUNE),
    (paceline.tune, TUNE_FUNCTION),
    (paceline.resume, RESUME),
    (paceline.finish, FINISH),
    (paceline.ablate, ABLATE),
    (paceline.open_study, OPEN),
    (paceline.compare, COMPARE),
    (paceline.ladder, LADDER),
    (paceline.load_study, {"study": STUDY}),
]


@pytest.mark.parametrize(("function", "wrong"), FACES)
def test_every_argument_has_an_entry(function: Callable[..., Any], wrong: Wrong) -> None:
    assert arguments(function) == set(wrong)


@pytest.mark.parametrize(
    ("function", "name", "told"),
    [
        (paceline.tune, "trails", "Did you mean 'trials'"),
        (paceline.tune, "max_trials", "Did you mean 'trials'"),
        (paceline.tune, "directory", "Did you mean 'study'"),
        (paceline.tune, "learning_rate", "expected one of build, data, objective"),
        (paceline.resume, "trails", "Did you mean 'trials'"),
        (paceline.finish, "validaton", "Did you mean 'validation'"),
        (paceline.ablate, "pair", "Did you mean 'pairs'"),
        (paceline.open_study, "direction", "Did you mean 'objective'"),
        (paceline.load_study, "studdy", "studdy was given to load_study"),
        (paceline.compare, "trails", "Did you mean 'trials'"),
        (paceline.compare, "epoch", "Did you mean 'epochs'"),
        (paceline.compare, "search", "searches"),
        (paceline.compare, "study", "directory"),
        (paceline.ladder, "trials", "trials was given to ladder"),
        (paceline.ladder, "repeats", "repeats was given to ladder"),
        (paceline.ladder, "bach_size", "Did you mean 'batch_size'"),
    ],
)
def test_unknown_arguments(
    function: Callable[..., Any], name: str, told: str, tmp_path: Path
) -> None:
    required = [
        one for one in inspect.signature(function).parameters.values() if one.default is one.empty
    ]
    given = {one.name: None for one in required if one.kind is not one.VAR_KEYWORD}
    with pytest.raises(InvalidInput, match=re.escape(told)) as error:
        function(**given, **{name: 3})
    assert str(error.value).startswith(f"{name} was given to {function.__name__}; expected ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("function", "args", "told"),
    [
        (paceline.tune, (build, ROWS, "val_loss", 5), "tune takes build and data and objective by"),
        (paceline.tune, (build, ROWS, "val_loss", 5, 16), "pass epochs=5, batch_size=16 by name"),
        (paceline.open_study, ("s", {}, "max", "grid"), "pass search='grid' by name"),
    ],
)
def test_what_is_passed_by_position_and_has_a_name(
    function: Callable[..., Any], args: Any, told: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(told)):
        function(*args)


def test_the_likely_argument_comes_before_the_list_of_all() -> None:
    with pytest.raises(
        InvalidInput, match=r"Did you mean 'trials'\? The arguments of tune: build, data, objective"
    ):
        paceline.tune(build, ROWS, trails=3)  # type: ignore[call-arg]


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    one: Any = np.int64(1)
    given: dict[str, Any] = {
        "epochs": one,
        "batch_size": np.int32(16),
        "seed": np.uint8(3),
        "repeats": np.int64(2),
        "in_flight": one,
        "patience": one,
        "keep_models": one,
        "validation": np.float32(0.25),
        "final": np.bool_(False),
        "trials": one,
        "validation_batch_size": one,
        "steps_per_epoch": one,
        "validation_steps": np.int32(1),
        "test": np.float64(0.2),
        "display": np.bool_(False),
    }
    study = paceline.tune(
        build, ROWS, objective="val_loss", search="random", study=tmp_path / "s", **given
    )
    assert len(study.trials[0].scores) == 2
    again = paceline.resume(tmp_path / "s", build, ROWS, trials=one, test=0.2, display=False)
    assert len(again.trials) == 1
    zero: Any = np.int64(0)
    assert again.model(zero).name.endswith("_trial_0")
    with pytest.raises(InvalidInput, match="trial is False"):
        again.model(False)
    with paceline.open_study(tmp_path / "t", {"x": paceline.Float(0, 1)}, "max") as asked:
        asked.ask(one)
        with pytest.raises(InvalidInput, match="tell was given trial False"):
            asked.tell(False, 1.0)
        assert asked.tell(zero, np.float32(1)).score == 1.0
