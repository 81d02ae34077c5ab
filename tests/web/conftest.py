"""What the tests of the live page share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.by_hand import beginning

from paceline.store import StudyStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    """The store of a study that has begun and is written by this process."""
    opened = StudyStore(tmp_path / "study", writable=True)
    opened.append(beginning())
    yield opened
    opened.close()
