"""Studies of the version before (format 2) open, continue as they would have there, and report."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.study.earlier import make

import paceline
from paceline.settings import Settings

EARLIER = Path(__file__).parent / "earlier"
NAMES = ("networks", "function", "asked")


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).mkdir()
        shutil.copy(EARLIER / f"{name}.db", tmp_path / name / "study.db")
    return tmp_path


def flat(trials: Sequence[Any]) -> list[float]:
    return [value for config, score in trials for value in (*config.values(), score)]


def test_studies_of_earlier_versions_continue_with_the_next_trials(studies: Path) -> None:
    found, expected = make.continued(studies), json.loads((EARLIER / "next.json").read_text())
    assert found["asked"] == expected["asked"]
    for name in ("networks", "function"):
        assert [config for config, _ in found[name]] == [config for config, _ in expected[name]]
        assert flat(found[name]) == pytest.approx(flat(expected[name]))


def test_settings_of_earlier_versions_are_read(studies: Path) -> None:
    settings = {name: paceline.load_study(studies / name).settings for name in NAMES}
    networks = settings["networks"]
    assert networks.search.search == "random"  # of its second session
    assert (networks.search.trials, networks.evaluation.keep_models) == (3, 2)
    assert networks.training.class_weight == {"0": 2.0}
    assert networks.data.groups is not None
    function = settings["function"]
    assert (function.evaluation.final, function.search.start_with) == (2, [{"x": 0.5}])
    for one in settings.values():
        again = Settings.from_json(json.loads(json.dumps(one.to_json())), one.objective)
        assert again == one
        assert one.diff(again) == []
    assert {one.function.kind for one in settings.values()} == {"networks", "function", "asked"}


def test_the_same_call_on_a_study_of_an_earlier_version_changes_nothing(studies: Path) -> None:
    before = paceline.load_study(studies / "function")
    after = paceline.tune(make.score, study=studies / "function", **make.FUNCTION)
    assert [trial.config for trial in after.trials] == [trial.config for trial in before.trials]
    assert after.record.notes == before.record.notes
    with pytest.raises(paceline.StudyMismatch, match="class_weight"):
        paceline.tune(
            make.build,
            study=studies / "networks",
            **make.data(),
            **{**make.NETWORKS, "class_weight": {0: 3.0}},
        )


@pytest.mark.parametrize("name", NAMES)
def test_studies_of_earlier_versions_have_reports(studies: Path, name: str) -> None:
    study = paceline.load_study(studies / name)
    assert study.best.score is not None
    assert "How to repeat it" in study.report().read_text()


def test_another_kind_of_study_is_refused_as_such(studies: Path) -> None:
    with pytest.raises(paceline.StudyMismatch, match="of a network; expected one of a function"):
        paceline.tune(make.build, study=studies / "function", **make.data(), **make.NETWORKS)
    with pytest.raises(paceline.StudyMismatch, match="of a function; expected one of a network"):
        paceline.optimize(make.score, study=studies / "networks", **make.FUNCTION)
