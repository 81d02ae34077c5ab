"""KerasTuner's own tests, run against `paceline.compat.keras_tuner`.

    python -m benchmarks.kt_suite --tests DIR

DIR is a folder outside of this repository that has ``keras_tuner/``, the sources of KerasTuner with
their tests. Its test files are copied to a temporary folder and run there by pytest, with
Paceline's interface as ``keras_tuner``. Printed are how many pass, and each that fails with its
reason, which is in benchmarks/remarks/kt_suite.md.
"""

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
REMARKS = Path(__file__).with_name("remarks") / "kt_suite.md"
MUST = 0.9
OUTSIDE = ("distribute", "test_utils", "integration_tests", "utils")
"""Folders whose tests are of nothing that a script uses."""
SLOW = ("integration_tests/end_to_end_test.py",)
FAILED = ("failed", "error")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the tests and prints what came of them; 1 if fewer than must pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", required=True, type=Path, help="folder that has keras_tuner/")
    parser.add_argument("--quick", action="store_true", help="hyperparameters and oracles alone")
    parser.add_argument("--only", default="", help="part of the names of test files")
    parser.add_argument("--verbose", action="store_true", help="show what pytest prints")
    given = parser.parse_args(arguments)
    package = given.tests / "keras_tuner"
    if not package.is_dir():
        parser.error(f"{given.tests} has no folder keras_tuner")
    files = sorted(package.rglob("*_test.py"))
    names = [str(one.relative_to(package)) for one in files]
    if given.quick:
        names = [one for one in names if "hyperparameters" in one or one.endswith("oracle_test.py")]
    names = [one for one in names if given.only in one]
    outcomes = run_tests(package, names, given.verbose)
    print_results(outcomes, reasons(REMARKS))
    done = [one for name, one in outcomes.items() if not _is_outside(name)]
    share = done.count("passed") / max(1, len(done) - done.count("skipped"))
    return 0 if share >= MUST else 1


def run_tests(package: Path, names: Sequence[str], verbose: bool) -> dict[str, str]:
    """The outcome of each test, by ``file::test``.

    Tests of a file that cannot be imported count as failed.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        shutil.copy(package / "conftest.py", folder)
        (folder / "pytest.ini").write_text("[pytest]\n")
        for name in names:
            shutil.copy(package / name, folder / name.replace("/", "__"))
        found = folder / "outcomes.json"
        environment = {
            **os.environ,
            "KT_SUITE_OUTCOMES": str(found),
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "benchmarks.ours.kt_plugin"]
        command += ["-p", "no:cacheprovider", "--continue-on-collection-errors", "--tb=short"]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=not verbose, text=True, check=False
        )
        if not found.exists():
            raise SystemExit(f"pytest has failed:\n{done.stdout}\n{done.stderr}")
        outcomes = json.loads(found.read_text())
    by_file = {_restored(name, names): one for name, one in outcomes.items()}
    for name in names:
        if not any(test.startswith(f"{name}::") for test in by_file):
            by_file |= {f"{name}::{test}": "error" for test in tests_of(package / name)}
    return by_file


def _restored(test: str, names: Sequence[str]) -> str:
    """The name of a test by its file in the sources."""
    file, _, rest = test.partition("::")
    return f"{next(one for one in names if one.replace('/', '__') == file)}::{rest}"


def tests_of(file: Path) -> list[str]:
    """The names of the tests of a file, without running it."""
    tree = ast.parse(file.read_text())
    each = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef))
    return [one.name for one in each if one.name.startswith("test_")]


def reasons(path: Path) -> dict[str, str]:
    """Why tests fail, by ``file::test``: lines ``- `file::test`: reason``."""
    found = re.findall(r"^- `([^`]+)`: (.+)$", path.read_text(), re.MULTILINE)
    return dict(found)


def print_results(outcomes: Mapping[str, str], why: Mapping[str, str]) -> None:
    """Prints how many tests pass, by folder, and those that fail."""
    print("| tests of | pass | fail | skipped |\n| --- | --- | --- | --- |")
    groups: dict[str, Counter[str]] = {}
    for test, outcome in outcomes.items():
        for group in (_group(test), "tuners, oracles, hyperparameters, hypermodels", "all"):
            if group == "all" or not _is_outside(test) or "," not in group:
                groups.setdefault(group, Counter())[outcome] += 1
    last = ("tuners, oracles, hyperparameters, hypermodels", "all")
    for group in [*(one for one in sorted(groups) if one not in last), *last]:
        counts = groups.get(group, Counter())
        failed, passed = sum(counts[one] for one in FAILED), counts["passed"]
        share = passed / max(1, passed + failed)
        print(f"| {group} | {passed} ({share:.1%}) | {failed} | {counts['skipped']} |")
    print()
    for test, outcome in sorted(outcomes.items()):
        if outcome in FAILED:
            print(f"- `{test}`: {_reason(test, why)}")


def _reason(test: str, why: Mapping[str, str]) -> str:
    plain = re.sub(r"\[.*\]$", "", test)
    file = test.partition("::")[0]
    return why.get(test) or why.get(plain) or why.get(file) or "no reason is recorded"


def _group(test: str) -> str:
    return str(Path(test.partition("::")[0]).parent) if "/" in test else "utils"


def _is_outside(test: str) -> bool:
    return _group(test).partition("/")[0] in OUTSIDE


if __name__ == "__main__":
    sys.exit(main())
