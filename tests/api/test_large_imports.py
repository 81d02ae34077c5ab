"""Keras and JAX are imported without garbage collections, and later ones skip their objects."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.exhaustive

SHOW = """
import gc, sys
counts = [one["collections"] for one in gc.get_stats()]
{lines}
print(gc.isenabled(), gc.get_freeze_count() > 100_000, sum(own is not None for own in found))
"""
FOUND = """
loaders = [sys.modules[name].__spec__.loader for name in ("keras", "jax")]
found = [vars(loader).get("exec_module") for loader in loaders]
"""


def run(lines: str) -> list[str]:
    program = SHOW.format(lines=textwrap.dedent(lines) + FOUND)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("lines", "is_enabled", "is_frozen"),
    [
        ("import paceline, keras", True, True),
        ("import paceline\nimport jax, keras", True, True),
        ("import keras, paceline", True, False),
        ("gc.disable()\nimport paceline, keras", False, False),
        ("import paceline\ngc.freeze()\nimport keras", True, False),
        ("kept = [[] for _ in range(250_000)]\nimport paceline, keras", True, False),
        (
            """
            import paceline
            from paceline.core import process_state
            with process_state.preserved():
                import keras
            """,
            True,
            False,
        ),
    ],
)
def test_the_objects_of_keras_are_frozen_where_nothing_else_is(
    lines: str, is_enabled: bool, is_frozen: bool
) -> None:
    assert run(lines) == [str(is_enabled), str(is_frozen), "0"]


def test_there_is_a_collection_before_the_import_and_none_in_it() -> None:
    lines = """
    import paceline
    counts = [one["collections"] for one in gc.get_stats()]
    import keras
    assert gc.get_stats()[2]["collections"] == counts[2] + 1, gc.get_stats()
    """
    assert run(lines) == ["True", "True", "0"]


def test_an_import_that_fails_leaves_the_collector_on() -> None:
    lines = """
    import os
    os.environ["KERAS_BACKEND"] = "none such"
    import paceline
    try:
        import keras
    except ValueError:
        assert gc.isenabled() and gc.get_freeze_count() < 2_000
    else:
        raise AssertionError
    os.environ["KERAS_BACKEND"] = "jax"
    for name in [name for name in sys.modules if name.startswith("keras")]:
        del sys.modules[name]
    import keras
    """
    assert run(lines)[:1] == ["True"]
