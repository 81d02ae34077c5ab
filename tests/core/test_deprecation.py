"""Deprecation: what was written before works, and the warning names the line and the new words."""

import inspect
import warnings
from pathlib import Path

import pytest

from paceline import InvalidInput
from paceline.core.deprecation import deprecated, renamed_arguments, warn_deprecated
from paceline.core.names import validates_argument_names


@renamed_arguments(place="directory", count="trials")
def search(directory: str, *, trials: int = 1) -> tuple[str, int]:
    """Gives back what it was given."""
    return directory, trials


@deprecated("search(directory)")
def look(directory: str) -> str:
    """An earlier function."""
    return directory


def test_an_earlier_argument_is_passed_under_its_new_name() -> None:
    with pytest.warns(FutureWarning) as caught:
        found = search(place="here", count=3)  # type: ignore[call-arg]
    assert found == ("here", 3)
    said = sorted(str(each.message) for each in caught)
    assert said == [
        "search(count=...) is deprecated and will be removed; write search(trials=...) instead.",
        "search(place=...) is deprecated and will be removed; write search(directory=...) instead.",
    ]


def test_current_names_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert search("here", trials=2) == ("here", 2)
    assert list(inspect.signature(search).parameters) == ["directory", "trials"]
    assert search.__doc__ == "Gives back what it was given."


def test_both_names_at_once_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"both directory and place.*expected directory alone"):
        search(place="here", directory="there")  # type: ignore[call-arg]


def test_an_earlier_name_by_position_and_a_new_one_stays_pythons_error() -> None:
    with (
        pytest.warns(FutureWarning),
        pytest.raises(TypeError, match="multiple values for argument 'directory'"),
    ):
        search("here", place="there")  # type: ignore[call-arg]


def test_an_earlier_function_works_and_says_what_to_call() -> None:
    with pytest.warns(FutureWarning, match=r"^look\(\) is deprecated .* write search\(directory\)"):
        assert look("here") == "here"


@pytest.mark.parametrize(
    "layered",
    [
        search,
        renamed_arguments(place="directory")(validates_argument_names()(search)),
        validates_argument_names("place")(search),
    ],
)
def test_the_warning_is_of_the_callers_line(layered) -> None:  # type: ignore[no-untyped-def]
    with pytest.warns(FutureWarning) as caught:
        layered(place="here")
    (warning,) = caught
    line = Path(__file__).read_text().splitlines()[warning.lineno - 1]
    assert warning.filename == __file__
    assert line.strip() == 'layered(place="here")'


def test_a_warning_of_its_own_points_at_the_caller() -> None:
    with pytest.warns(FutureWarning, match=r"^that is deprecated") as caught:
        warn_deprecated("that", "this")
    assert caught[0].filename == __file__
