"""The shape of the code: its sources beside those of well-known packages, what one small study
calls of it, and how long it takes to start, now and at an earlier commit.
"""

import io
import math
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

from benchmarks import environments, sources
from benchmarks.measure import Options, Spread, ask, folder, in_turn
from benchmarks.report import Finding, Result, table
from benchmarks.sources import Figures

BEFORE = "6131c1f"
"""The commit to compare with."""

NEW_OPTION = "cfbaf4a"
"""A commit that adds one option to the settings of a study, and nothing else."""

COUNTED: Mapping[str, Sequence[str]] = {
    "times the stored events are folded": ("study fold",),
    "times the store is opened": ("store StudyStore.__init__",),
    "times a strategy is created by its name": ("search create",),
    "times it is put behind the configurations that come first": ("study SearchChoice.first",),
    "times the verdict is judged": ("stats judge",),
}
"""Functions whose calls are counted: the package's folder and the function's name in it, as they
are now and as they were at the earlier commit. To be adapted when they are renamed: a row of which
no function is found is not measured.
"""

OPTIONS = ("patience", "class_weight", "validation_batch_size", "keep_models")
"""Options of a study: how many files name each."""

COMMANDS = {
    "import paceline": ("-c", "import paceline"),
    "paceline --help": ("-m", "paceline", "--help"),
}

PEERS: Mapping[str, tuple[str, str]] = {
    "httpx": ("httpx", ""),
    "starlette": ("starlette", ""),
    "equinox": ("equinox", ""),
    "optimistix": ("optimistix", ""),
    "cmaes": ("cmaes", ""),
    "optax": ("optax", ""),
    "optuna": ("optuna", ""),
    "keras-tuner": ("keras_tuner", ""),
    "syne-tune": ("syne_tune", ""),
    "scikit-learn": ("sklearn", "model_selection"),
}
"""By distribution: the package, and the folder in it that is looked at."""

METHOD = """Sources are read with Python's `ast`, tests left out. Lines of a function are those from
its `def` to its end without its docstring. Arguments are those of the function or constructor that
has most: fields of dataclasses count, `self`, `*args` and `**options` do not. Cycles are sets of
modules that import each other, of so many modules: with the imports at the top level / and those in
functions / and those under `TYPE_CHECKING`. Documented is the share of public classes, functions
and methods that have a docstring. One small `tune` is six trials of a small Keras network on
digits, three epochs each, with a final of three trainings a finalist and the report; all of its
threads are followed with `sys.setprofile`; imports, lambdas and comprehensions are not counted.
Seconds are those of whole processes, now and before in turn, {runs} each of the short ones. Before
is commit {before}, measured by the same program."""


def run(options: Options) -> Result:
    runs = 2 if options.quick else 20
    with folder() as base:
        trees = {"before": _earlier(base), "now": environments.ROOT / "src"}
        shapes = {name: sources.figures(tree / "paceline") for name, tree in trees.items()}
        calls = {name: _calls(tree) for name, tree in trees.items()}
        named = {name: _naming(tree) for name, tree in trees.items()}
        spent = {what: _in_turn(trees, COMMANDS[what], runs) for what in COMMANDS}
        if not options.quick:
            spent["paceline demo"] = _in_turn(
                trees, ("-m", "paceline", "demo"), options.slow_repeats
            )
        suite = math.nan if options.quick else _suite()
    compared: dict[str, dict[str, object]] = {
        **{what: {name: _count(calls[name][what]) for name in trees} for what in calls["now"]},
        **{f"`{what}`, seconds": dict(sides) for what, sides in spent.items()},
        **{f"files that name `{each}`": {n: named[n][each] for n in trees} for each in OPTIONS},
    }
    return Result(
        title="The shape of the code",
        method=METHOD.format(runs=runs, before=BEFORE),
        findings=[
            *_of_sources(shapes["now"]),
            *(_at_most(what, calls["now"][what], must) for what, must in _calls_must()),
            _at_most("files that one new option changes", _files_changed(), 4),
            *(_not_slower(what, sides) for what, sides in spent.items()),
            Finding("seconds of the tests, in two processes", suite, 480, None, "s", "lower"),
        ],
        headings=["what", f"before ({BEFORE})", "now"],
        rows=[[what, str(sides["before"]), str(sides["now"])] for what, sides in compared.items()],
        more=[_beside_peers(shapes, quick=options.quick), *_lists(shapes["now"])],
    )


# -- the two trees


def _earlier(base: Path) -> Path:
    """The sources of the earlier commit, in a folder of their own."""
    archive = ["git", "-C", str(environments.ROOT), "archive", BEFORE, "src"]
    packed = subprocess.run(archive, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tree:
        tree.extractall(base, filter="data")
    return base / "src"


def _calls(tree: Path) -> dict[str, float]:
    """What one small study calls of a tree, by row; NaN where none of its functions is there."""
    counted = [name for names in COUNTED.values() for name in names]
    request = {"counted": counted}
    answer = ask(environments.OURS, "benchmarks.ours.called", request, sources=tree)
    there = {
        f"{module.name.split('.')[1]} {name.partition(':')[2]}"
        for module in sources.read(tree / "paceline")
        for name, _ in module.functions
        if "." in module.name
    }
    return {
        "distinct functions called": float(answer["functions"]),
        "in so many modules": float(answer["modules"]),
        **{
            what: float(sum(answer["counts"][name] for name in names))
            if there & set(names)
            else math.nan
            for what, names in COUNTED.items()
        },
    }


def _calls_must() -> list[tuple[str, float]]:
    return [("distinct functions called", 899), *((what, 1) for what in COUNTED)]


def _naming(tree: Path) -> dict[str, int]:
    """How many files name each option."""
    texts = [module.text for module in sources.read(tree / "paceline")]
    return {each: sum(each in sources.words(text) for text in texts) for each in OPTIONS}


def _files_changed() -> float:
    """How many files of the package the commit changes that adds an option."""
    if not NEW_OPTION:
        return math.nan
    show = ["git", "-C", str(environments.ROOT), "diff-tree", "--no-commit-id", "--name-only", "-r"]
    command = [*show, NEW_OPTION, "--", "src/paceline"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(len(done.stdout.split()))


# -- seconds


def _in_turn(trees: Mapping[str, Path], command: Sequence[str], runs: int) -> dict[str, Spread]:
    with tempfile.TemporaryDirectory() as cache:  # once unmeasured: byte code, and compiled models
        for tree in trees.values():
            _seconds(tree, command, Path(cache), 0)
        sides = {
            name: (runs, partial(_seconds, tree, command, Path(cache)))
            for name, tree in trees.items()
        }
        return {name: Spread(tuple(spent)) for name, spent in in_turn(sides).items()}


def _seconds(tree: Path, command: Sequence[str], cache: Path, _: int) -> float:
    variables = {**os.environ, "PYTHONPATH": str(tree), "PACELINE_CACHE": str(cache)}
    with tempfile.TemporaryDirectory() as here:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, *command], cwd=here, env=variables, check=True, capture_output=True
        )
        return time.perf_counter() - start


def _suite() -> float:
    """How long the tests take, as `make test` runs them; NaN where one fails."""
    command = ["-m", "pytest", "--numprocesses", "2", "--dist", "worksteal"]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], cwd=environments.ROOT, capture_output=True, text=True
    )
    if done.returncode:  # a suite that fails has no time
        print(done.stdout[-6000:], file=sys.stderr)
        return math.nan
    return time.perf_counter() - start


# -- what is written


def _at_most(what: str, value: float, must: float) -> Finding:
    return Finding(what, value, must, None, "", "lower")


def _not_slower(what: str, sides: Mapping[str, Spread]) -> Finding:
    """Held against 1.05: what machines differ by from one minute to the next."""
    ratio = sides["now"].median / sides["before"].median
    return Finding(f"`{what}`, seconds now over before", ratio, 1.05, None, "×", "lower")


def _of_sources(shape: Figures) -> list[Finding]:
    return [
        _at_most(what, value, must)
        for what, value, must in (
            (
                "modules in an import cycle, every import counted",
                sum(map(len, shape.cycles[-1])),
                0,
            ),
            ("arguments of the widest function or constructor", shape.arguments, 16),
            ("`# fmt: skip`", shape.format_skips, 0),
            ("modules of more than 400 lines", len(shape.long_modules), 0),
            ("lines of the longest function", shape.longest, 50),
            ("lines of a function, median", shape.median, 5),
            ("public names without a docstring", len(shape.undocumented), 0),
        )
    ]


def _count(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.0f}"


COLUMNS = (
    *("modules", "lines", "over 400", "largest", "function, median", "p90", "longest", "over 50"),
    *("body, median", "body, longest", "arguments", "documented", "cycles", "`fmt: skip`"),
)


def _beside_peers(shapes: Mapping[str, Figures], *, quick: bool) -> str:
    rows = [
        ["Paceline now", *_cells(shapes["now"])],
        [f"Paceline {BEFORE}", *_cells(shapes["before"])],
    ]
    for distribution, (package, within) in {}.items() if quick else PEERS.items():
        folder = _installed() / package
        title = f"{distribution} {_version(distribution)}" + (f", {within}" if within else "")
        rows.append([title, *_cells(sources.figures(folder, within))])
    return table(["", *COLUMNS], rows)


def _cells(shape: Figures) -> list[str]:
    kinds = [", ".join(str(len(cycle)) for cycle in cycles) or "0" for cycles in shape.cycles]
    numbers = (
        *(shape.modules, shape.lines, len(shape.long_modules), shape.largest),
        *(shape.median, shape.p90, shape.longest, len(shape.long_functions)),
        *(shape.median_body, shape.longest_body, shape.arguments),
    )
    return [
        *(f"{value:,g}" if value < 1e5 else f"{value:,.0f}" for value in numbers),
        f"{shape.documented:.0%}",
        " / ".join(kinds),
        str(shape.format_skips),
    ]


def _lists(shape: Figures) -> list[str]:
    """What is behind the figures: each module, function and name that stands out."""
    found = {
        "Modules of more than 400 lines": _with_numbers(shape.long_modules),
        "Functions of more than 50 lines": _with_numbers(shape.long_functions),
        "More than 16 arguments": _with_numbers(shape.wide_functions),
        "Import cycles, every import counted": [" ↔ ".join(each) for each in shape.cycles[-1]],
        "Public names without a docstring": list(shape.undocumented),
        "Names of several modules": _with_places(shape.same_basename),
        "Names of several classes": _with_places(shape.same_class),
    }
    return [
        f"{title}: " + ("; ".join(f"`{each}`" for each in ones) if ones else "none") + "."
        for title, ones in found.items()
    ]


def _with_numbers(found: Sequence[tuple[str, int]]) -> list[str]:
    return [f"{name} ({value})" for name, value in found]


def _with_places(found: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{name}: {', '.join(places)}" for name, places in found.items()]


def _installed() -> Path:
    """Where the peers are installed."""
    (place,) = environments.python("admired").parents[1].glob("lib/python*/site-packages")
    return place


def _version(distribution: str) -> str:
    (found,) = distributions(name=distribution, path=[str(_installed())])
    return found.version
