"""The project around the package: what is shipped, where the version stands, and the tools."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import paceline
from paceline.api.tuning import ARGUMENTS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it; no network is needed."""
    folder = tmp_path_factory.mktemp("dist")
    _build("sdist", ROOT, folder)
    (packed,) = folder.glob("*.tar.gz")
    with tarfile.open(packed) as sdist:
        sdist.extractall(folder, filter="data")
    _build("wheel", folder / packed.name.removesuffix(".tar.gz"), folder)
    return folder


def _build(target: str, source: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


def _sources() -> set[str]:
    """What the package consists of, as paths from `src`."""
    found = (path for path in (ROOT / "src" / "paceline").rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT / "src")) for path in found if path.suffix != ".pyc"}


def test_the_sdist_has_what_is_needed_to_build_and_test_and_no_benchmarks(dist: Path) -> None:
    base = f"paceline-{paceline.__version__}"
    with tarfile.open(dist / f"{base}.tar.gz") as sdist:
        names = {name.removeprefix(f"{base}/") for name in sdist.getnames()}
    assert names >= {f"src/{name}" for name in _sources()}
    assert names >= {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "PKG-INFO"}
    assert names >= {"tests/conftest.py", "examples/resume.py", "Makefile"}
    rooms = {name.partition("/")[0] for name in names if "/" in name}
    assert rooms == {"src", "tests", "examples", "docs"}


def test_the_wheel_has_the_package_and_nothing_else(dist: Path) -> None:
    base = f"paceline-{paceline.__version__}"
    with zipfile.ZipFile(dist / f"{base}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        about = wheel.read(f"{base}.dist-info/METADATA").decode()
        commands = wheel.read(f"{base}.dist-info/entry_points.txt").decode()
    assert {name for name in names if not name.startswith(f"{base}.dist-info/")} == _sources()
    assert "paceline/py.typed" in names
    assert f"\nVersion: {paceline.__version__}\n" in about
    assert "paceline = paceline.cli:main" in commands


def test_pre_commit_runs_the_tools_of_make_lint() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    tools = re.findall(r"\$\(BIN\)/([^.\n]*[^.\s])", recipe[1])
    hooks = re.findall(r"entry: \.venv/bin/(.+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert [hook.removesuffix(" --force-exclude") for hook in hooks] == tools
    assert len(tools) == 4


def test_the_code_keeps_its_shape() -> None:
    sources = pytest.importorskip("benchmarks.sources", reason="the sdist has no benchmarks")
    found = sources.figures(ROOT / "src" / "paceline")
    assert not any(found.cycles), "modules that import each other"
    assert not found.long_modules, "more than 400 lines"
    assert not found.long_functions, "more than 50 lines"
    assert not found.wide_functions, "more than 16 arguments"
    assert not found.same_class, "classes of one name"
    assert not found.undocumented, "public names without a docstring"
    assert found.format_skips == 0


def test_links_of_the_documentation_lead_to_files() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if "benchmarks/" not in link and not (page.parent / link).exists()  # not in the sdist
    ]
    assert not broken


def test_every_page_is_in_the_list_of_the_documentation() -> None:
    listed = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert sorted(page for page in pages if f"({page})" not in listed) == []


def test_the_page_of_options_has_every_argument_of_tune() -> None:
    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(ARGUMENTS)
