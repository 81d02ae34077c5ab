"""What users bring to a search: configurations to try first, beliefs, an earlier study."""

from pathlib import Path
from typing import Any

import pytest

import paceline
from paceline.core import InvalidInput
from paceline.exporters import OptunaStorage, export
from paceline.search import Normal, Weights


def objective(hp: Any) -> float:
    depth, rate = hp.Int("depth", 1, 9), hp.Float("rate", 1e-4, 1.0, sampling="log")
    return float((depth - 6) ** 2 + abs(rate - 0.01) * 10)


SPACE = {"depth": paceline.Int(1, 9), "rate": paceline.Float(1e-4, 1.0, sampling="log")}


def tune(directory: Path, function: Any = objective, **options: Any) -> paceline.Study:
    return paceline.tune(
        function,
        objective="min",
        study=directory,
        seed=5,
        display=False,
        **{"trials": 8, **options},
    )


def test_the_users_configurations_come_first(tmp_path: Path) -> None:
    study = tune(
        tmp_path / "study",
        start_with=[{"depth": 7, "rate": 0.02}, {"depth": 2}],
        search="random",
        space=SPACE,
    )
    assert [dict(t.config) for t in study.trials[:2]] == [
        {"depth": 7, "rate": 0.02},
        {"depth": 2, "rate": 1e-4},
    ]
    assert [t.origin for t in study.trials] == ["given"] * 2 + ["random"] * 6


def test_a_function_shows_first_what_may_vary(tmp_path: Path) -> None:
    study = tune(tmp_path / "study", start_with=[{"depth": 7}], trials=2)
    assert [dict(t.config) for t in study.trials] == [
        {"depth": 1, "rate": 1e-4},
        {"depth": 7, "rate": 1e-4},
    ]


def test_an_earlier_study_and_priors_are_used_and_kept_by_a_resumed_study(tmp_path: Path) -> None:
    tune(tmp_path / "earlier", trials=20, search="random")
    prior = {"rate": Normal(0.01, 0.1), "depth": Weights({6: 5.0, 1: 1.0})}
    whole = tune(tmp_path / "whole", learn_from=tmp_path / "earlier", prior=prior, trials=12)
    tune(tmp_path / "parts", learn_from=tmp_path / "earlier", prior=prior, trials=6)
    parts = paceline.resume(tmp_path / "parts", objective, trials=12, display=False)
    assert [t.config for t in parts.trials] == [t.config for t in whole.trials]


def test_a_study_of_optuna_is_learnt_from_as_one_of_paceline(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="needs the extra optuna")
    export(tune(tmp_path / "earlier", trials=20, search="random").directory, OptunaStorage())
    url = f"sqlite:///{tmp_path / 'earlier' / 'optuna.db'}"
    theirs = optuna.load_study(study_name="earlier", storage=url)
    ours = tune(tmp_path / "ours", learn_from=tmp_path / "earlier", trials=8)
    study = tune(tmp_path / "study", learn_from=theirs, trials=8)
    assert [t.config for t in study.trials] == [t.config for t in ours.trials]
    assert any(t.origin == "source" for t in study.trials)
    empty = optuna.create_study(directions=["minimize", "minimize"])
    with pytest.raises(InvalidInput, match="several objectives"):
        tune(tmp_path / "no", learn_from=empty)
    with pytest.raises(InvalidInput, match="has no complete trial"):
        tune(tmp_path / "no", learn_from=optuna.create_study())
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start_with": {"depth": 3}}, "Put a single one into a list"),
        ({"prior": {"rate": 3}}, r"prior of 'rate' is 3; expected Normal"),
        (
            {"prior": {"rate": Normal(0.1)}, "search": "random"},
            "prior was given with search 'random'",
        ),
        ({"learn_from": "nowhere"}, "learn_from is .*nowhere', which contains no study"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        tune(tmp_path / "study", **options)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start_with": [{"width": 3}]}, "width"),
        ({"start_with": [{"depth": 30}]}, "depth"),
        ({"prior": {"width": Normal(3)}}, "prior is about 'width'; expected one of depth, rate"),
    ],
)
def test_what_does_not_belong_to_the_space_is_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        tune(tmp_path / "study", space=SPACE, **options)
    assert not (tmp_path / "study").exists()


def test_an_earlier_study_of_another_space_is_refused(tmp_path: Path) -> None:
    tune(tmp_path / "earlier", lambda hp: hp.Float("momentum", 0.0, 1.0), trials=3)
    with pytest.raises(
        InvalidInput,
        match="the earlier study has momentum; expected one with some of depth, rate",
    ):
        tune(tmp_path / "study", space=SPACE, learn_from=tmp_path / "earlier")
    assert not (tmp_path / "study").exists()
