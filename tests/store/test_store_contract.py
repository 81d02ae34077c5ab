"""SQLite keeps the contract of stores; other stores are in the page on extending."""

from pathlib import Path

import pytest

from paceline.core import InvalidInput, UnreadableStudy
from paceline.store import has_study, open_store
from paceline.testing.stores import StoreContract


class TestSQLite(StoreContract):
    @pytest.fixture
    def store(self) -> str:
        return "sqlite"


def test_an_unknown_store(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"store is 'sqlight'; .*Did you mean 'sqlite'"):
        open_store(tmp_path / "s", writable=True, store="sqlight")
    with pytest.raises(InvalidInput, match=r"store is 'sqlite' with the address 'x.db'"):
        open_store(tmp_path / "s", writable=True, store="sqlite:x.db")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"store": 3, "file": "x"}', '{"store": "gone"}'])
def test_a_damaged_marker(tmp_path: Path, text: str) -> None:
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(UnreadableStudy, match=r"store\.json does not say which store"):
        open_store(tmp_path, writable=False)


def test_a_store_may_be_written_in_any_case(tmp_path: Path) -> None:
    for store in ("SQLite", " sqlite", "sqlite"):
        open_store(tmp_path / "s", writable=True, store=store).close()


def test_a_study_whose_store_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"store": "gone:there", "file": "study.gone"}')
    assert not has_study(tmp_path)
    (tmp_path / "study.gone").touch()
    with pytest.raises(
        InvalidInput, match=r"study .* cannot be opened: its store is 'gone'; .*Install the"
    ):
        open_store(tmp_path, writable=False)
