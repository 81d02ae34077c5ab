"""The measured ablation: one change at a time, at both ends, on the very pairs of the final."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.study.test_study_final import build, data, tuned

import paceline
from paceline.core import InvalidInput, Side
from paceline.core.events import AblationMeasured
from paceline.search import Given
from paceline.space import Choice, Float, Space
from paceline.store import StudyStore
from paceline.study.ablation import configurations


def test_each_change_leads_from_one_end_towards_the_other() -> None:
    space = Space([Choice("units", [4, 8]), Float("rate", 1e-3, 1e-1), Choice("layers", [1, 2])])
    default, winner = space.complete({}), space.complete({"units": 8, "rate": 0.05})
    found = configurations(space, default, winner)
    assert found[Side.DEFAULT] == {
        "": default,
        "units": {**default, "units": 8},
        "rate": {**default, "rate": 0.05},
    }
    assert found[Side.WINNER] == {
        "": winner,
        "units": {**winner, "units": 4},
        "rate": {**winner, "rate": 1e-3},
    }


def test_what_a_change_makes_active_takes_the_value_it_leads_to() -> None:
    hp = paceline.HyperParameters()
    kind = hp.Choice("kind", ["plain", "momentum"])
    assert kind == "plain"
    with hp.conditional_scope("kind", ["momentum"]):
        hp.Float("momentum", 0.1, 0.9)
    space = hp.space
    default, winner = space.complete({}), space.complete({"kind": "momentum", "momentum": 0.7})
    found = configurations(space, default, winner)
    assert found[Side.DEFAULT]["kind"] == {"kind": "momentum", "momentum": 0.7}
    assert found[Side.WINNER] == {"": winner, "kind": {"kind": "plain"}}


@pytest.mark.exhaustive
def test_it_is_measured_once_and_shares_the_pairs_of_the_final(tmp_path: Path) -> None:
    best = {"units": 8, "rate": 0.05}
    tuned(tmp_path / "s", search=Given(({}, best)), trials=2, final=2)
    study = paceline.ablate(tmp_path / "s", build, data(), pairs=3, validation=0.2, display=False)
    found, final = study.record.ablation, study.record.final
    assert found is not None
    assert final is not None
    assert not found.missing
    assert set(found.changes[Side.DEFAULT]) == set(found.changes[Side.WINNER]) == {"units", "rate"}
    for side, number in ((Side.DEFAULT, found.default), (Side.WINNER, found.winner)):
        assert found.scores_of(side)[:2] == final.scores_of(number)
    again = paceline.ablate(tmp_path / "s", build, data(), pairs=3, validation=0.2, display=False)
    assert again.record.ablation == found
    store = StudyStore(tmp_path / "s", writable=False)
    measured = [one.event for one in store.events() if isinstance(one.event, AblationMeasured)]
    store.close()
    assert len(measured) == 3 * 6
    assert study.best.number == found.winner
    assert study.record.ended is not None


def test_studies_without_two_ends_are_refused(tmp_path: Path) -> None:
    def ablate(directory: Path, **more: Any) -> None:
        paceline.ablate(directory, build, data(), validation=0.2, display=False, **more)

    with pytest.raises(InvalidInput, match="no study"):
        ablate(tmp_path / "none")
    tuned(tmp_path / "default", search=Given(({},)), trials=1, final=False)
    with pytest.raises(InvalidInput, match="is the default configuration"):
        ablate(tmp_path / "default")
    with pytest.raises(InvalidInput, match="pairs is 1"):
        ablate(tmp_path / "default", pairs=1)
    tuned(tmp_path / "other", search=Given(({"units": 8},)), trials=1, final=False)
    with pytest.raises(InvalidInput, match="no trial of the default"):
        ablate(tmp_path / "other")


def test_the_gains_are_paired_differences_in_favour_of_the_winner(tmp_path: Path) -> None:
    from paceline.report import ablation_gains

    tuned(tmp_path / "s", search=Given(({}, {"units": 8, "rate": 0.05})), trials=2, final=2)
    study = paceline.ablate(tmp_path / "s", build, data(), pairs=3, validation=0.2, display=False)
    found = study.record.ablation
    assert found is not None
    rows: dict[tuple[str, str], Any] = {
        (row["side"], row["hyperparameter"]): row for row in study.ablation().to_dict("records")
    }
    for side, sign in ((Side.DEFAULT, 1), (Side.WINNER, -1)):
        base, changed = (np.array(found.scores_of(side, name)) for name in ("", "rate"))
        row = rows[str(side), "rate"]
        assert row["gain"] == pytest.approx(
            sign * np.mean(base - changed)
        )  # a loss: less is better
        assert row["low"] < row["gain"] < row["high"]
    told = list(ablation_gains.lines(study.record))
    assert len(told) == 1 + len(rows)
    assert "rate" in told[1]
    assert "Measured ablation" in (tmp_path / "s" / "report.html").read_text("utf-8")
