"""Which cases of a parametrised test belong to the tests that are run less often."""

from collections.abc import Iterable
from typing import Any

import pytest


def first_of(count: int, values: Iterable[Any]) -> list[Any]:
    """The values, all but the first ``count`` of them marked as exhaustive."""
    return [
        value if at < count else pytest.param(value, marks=pytest.mark.exhaustive)
        for at, value in enumerate(values)
    ]
