"""Files of the user beside files of the same name in other folders."""

import sys
from pathlib import Path

import paceline

FILE = """
import settings_of_mine

def objective(hp):
    import kind_of_mine.late
    return hp.Float("x", 0, 1) * 0 + settings_of_mine.VALUE + kind_of_mine.late.VALUE
"""


def folder(base: Path, name: str, value: float) -> Path:
    made = base / name
    (made / "kind_of_mine").mkdir(parents=True)
    (made / "model.py").write_text(FILE)
    (made / "settings_of_mine.py").write_text(f"VALUE = {value}")
    (made / "kind_of_mine" / "__init__.py").write_text("")
    (made / "kind_of_mine" / "late.py").write_text(f"VALUE = {value / 2}")
    return made


def best(place: Path, study: Path) -> float | None:
    found = paceline.tune(
        f"{place / 'model.py'}:objective", objective="max", trials=1, study=study, display=False
    )
    return found.best.score


def test_modules_of_the_same_name_in_two_folders_are_two_modules(tmp_path: Path) -> None:
    one, other = folder(tmp_path, "one", 1.0), folder(tmp_path, "other", 10.0)
    path = list(sys.path)
    assert best(one, tmp_path / "first") == 1.5
    late = sys.modules["kind_of_mine.late"]
    assert best(other, tmp_path / "second") == 15.0
    assert best(one, tmp_path / "third") == 1.5
    assert sys.modules["kind_of_mine.late"] is late  # found again, not imported again
    assert sys.path == path
