"""The page on extending Paceline: its examples are complete, keep their contracts, and are found.

A block of the page that begins with ``# name.py`` is a module; those that begin with
``# test_name.py`` are tests, which pytest collects from here. The entry points are those of the
page.
"""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

import paceline
from paceline.callbacks.named import CALLBACKS
from paceline.core import Registry
from paceline.data.source_registry import sources, types
from paceline.execute.work import registry as executors
from paceline.report import text
from paceline.report.panels import PANELS
from paceline.report.show import read
from paceline.schedule.schedule import registry as schedules
from paceline.search.strategy import registry as strategies
from paceline.store.store import registry as stores
from paceline.testing.packages import installed
from paceline.web.study_reader import StudyReader

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"
REGISTRIES: list[Registry[Any]] = [
    strategies,
    schedules,
    executors,
    stores,
    sources,
    types,
    CALLBACKS,
    PANELS,
]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [code for found, code in _BLOCK.findall(PAGE.read_text("utf-8")) if found == language]


def modules(kind: str) -> dict[str, str]:
    """The modules of the page by name; ``kind`` is how their names begin."""
    found = {}
    for code in blocks("python"):
        name = re.match(r"# (\w+)\.py\n", code)
        if name is not None and name[1].startswith("test_") == (kind == "test"):
            found[name[1]] = code
    return found


def entry_points() -> dict[str, dict[str, str]]:
    """The entry points of the page, of the modules that it has."""
    found: dict[str, dict[str, str]] = {}
    for code in blocks("toml"):
        for group, points in tomllib.loads(code)["project"]["entry-points"].items():
            found.setdefault(group, {}).update(points)
    return found


def install(folder: Path) -> None:
    """Writes the modules of the page as packages with their entry points."""
    for module, code in modules("example").items():
        own = {
            group: {
                name: item.partition(":")[2]
                for name, item in points.items()
                if item.startswith(f"{module}:")
            }
            for group, points in entry_points().items()
        }
        installed(folder, module, code, {group: points for group, points in own.items() if points})


def collected() -> dict[str, Any]:
    """The test classes of the page."""
    found: dict[str, Any] = {}
    for name, code in modules("test").items():
        module = ModuleType(f"{PAGE.stem}_{name}")
        exec(compile(code, f"{PAGE.name}:{name}", "exec"), module.__dict__)
        found |= {
            key: value
            for key, value in vars(module).items()
            if key.startswith("Test") and isinstance(value, type)
        }
    return found


_FOLDER = tempfile.TemporaryDirectory(prefix="paceline-page-")
PACKAGES = Path(_FOLDER.name)
install(PACKAGES)


@contextmanager
def packages_found() -> Iterator[None]:
    """Only meanwhile the packages of the page are installed, and nothing of them stays known."""
    sys.path.insert(0, str(PACKAGES))
    try:
        with ExitStack() as scopes:
            for registry in REGISTRIES:
                scopes.enter_context(registry.scope())
            yield
    finally:
        sys.path.remove(str(PACKAGES))


@pytest.fixture(autouse=True)
def found() -> Iterator[None]:
    with packages_found():
        yield


with packages_found():
    globals().update(collected())


def test_every_name_of_the_page_exists() -> None:
    groups = {*entry_points(), "paceline.executors"}
    names = set(re.findall(r"`(paceline(?:\.\w+)+)`", PAGE.read_text("utf-8"))) - groups
    assert len(names) > 20
    for name in names | {"paceline.callbacks.register"}:
        pkgutil.resolve_name(name)


def test_every_example_is_short_and_complete() -> None:
    for name, code in modules("example").items():
        lines = code.splitlines()
        assert len(lines) >= 20, name
        assert sum(map(bool, lines)) <= 60, name
        assert max(map(len, lines)) <= 100


MODEL = """
import keras

def build(hp):
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    optimizer = keras.optimizers.SGD(rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""

RESUMED = """
import sys
import paceline
study = paceline.resume(sys.argv[1], trials=4, display=False)
print(len(study.trials), study.settings)
"""


def shown_trial(directory: Path) -> str:
    """What the terminal prints of the last trial."""
    printed = StringIO()
    text.trial(read(directory), 3, Console(file=printed, width=200))
    return printed.getvalue()


def test_a_missing_test_dependency_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "paceline.testing.extra")
    with pytest.raises(ImportError, match=r"needs hypothesis; install it: .*paceline\[testing\]"):
        importlib.import_module("paceline.testing.extra")


def test_trials_run_by_hand_are_stored_too(tmp_path: Path) -> None:
    space = {"x": paceline.Float(0.0, 1.0)}
    with paceline.open_study(
        tmp_path / "s", space, "min", search="nearby", store="json_lines"
    ) as study:
        for trial in study.ask(3):
            study.tell(trial, trial.config["x"])
    with paceline.open_study(tmp_path / "s") as study:
        assert study.ask().number == 3
    assert paceline.load_study(tmp_path / "s").best.origin == "nearby"
    assert (tmp_path / "s" / "study.jsonl").exists()


@pytest.mark.exhaustive
def test_a_study_of_all_of_them_is_stored_resumed_and_shown(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
    study = paceline.tune(
        f"{tmp_path / 'model.py'}:build",
        "waves:50",
        "val_accuracy",
        search="nearby",
        schedule="half_time",
        executor="side_by_side",
        store="json_lines",
        study=tmp_path / "s",
        trials=3,
        epochs=2,
        seed=1,
        final=False,
        display=False,
    )
    assert [trial.worker for trial in study.trials] == ["member 0", "member 1", "member 0"]
    assert {trial.origin for trial in study.trials} == {"nearby"}
    assert not (tmp_path / "s" / "study.db").exists()
    # another process has nothing but the installed packages
    resumed = subprocess.run(
        [sys.executable, "-c", RESUMED, str(tmp_path / "s")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGES), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.startswith("4 ")
    for name in ("nearby", "waves:50", "side_by_side", "json_lines"):
        assert name in resumed.stdout
    assert "It started on the worker member" in shown_trial(tmp_path / "s")
    reader = StudyReader(tmp_path / "s")  # of the live page
    assert reader.look()
    assert [trial.worker is not None for trial in reader.summary.record.all_trials()] == [True] * 4
    reader.close()
    report = (tmp_path / "s" / "report.html").read_text("utf-8")
    for shown in ("nearby", "half_time", "waves:50", "Where the configurations came from"):
        assert shown in report
