"""What the sources of a package look like, read from its syntax trees: sizes, arguments,
docstrings, import cycles.

    python -m benchmarks.sources src/paceline      all figures of one package, as JSON

Lines of a function are those from its ``def`` to its end, without its docstring. Test modules
inside a package are left out.
"""

import ast
import json
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Graph = Mapping[str, set[str]]
Cycles = Sequence[Sequence[str]]
LONG_MODULE, LONG_FUNCTION, WIDE = 400, 50, 16
TOP, LAZY, TYPING = "top", "lazy", "typing"
"""Where an import stands: at the top level, in a function, under ``if TYPE_CHECKING``."""


@dataclass(frozen=True)
class Figures:
    """What was counted in one package.

    Attributes:
        modules, lines: how many there are.
        long_modules: those of more than 400 lines, with their lines.
        largest: lines of the largest module.
        median, p90, longest: lines of a function.
        median_body, longest_body: the same without its signature.
        long_functions: those of more than 50 lines, with their lines, the longest first.
        arguments: of the function or constructor that has most; fields of dataclasses count.
        wide_functions: those of more than 16 arguments, with these, the widest first.
        documented: share of public classes and functions that have a docstring, 0 to 1.
        undocumented: those that have none, as ``module:name``.
        cycles: the import cycles between modules, largest first: of imports at the top level; with
            those in functions; with those for type checkers.
        format_skips: how many lines the formatter is told to leave alone.
        same_basename, same_class: names of modules and classes that stand in several places, with
            these.
    """

    modules: int
    lines: int
    long_modules: Sequence[tuple[str, int]]
    largest: int
    median: float
    p90: float
    longest: int
    median_body: float
    longest_body: int
    long_functions: Sequence[tuple[str, int]]
    arguments: int
    wide_functions: Sequence[tuple[str, int]]
    documented: float
    undocumented: Sequence[str]
    cycles: tuple[Cycles, Cycles, Cycles]
    format_skips: int
    same_basename: Mapping[str, Sequence[str]]
    same_class: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Module:
    """One module of a package."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.stem == "__init__"

    @cached_property
    def functions(self) -> list[tuple[str, Function]]:
        """All of them with their names, those in classes and in other functions too."""
        return [(name, node) for name, node in self._named if isinstance(node, Function)]

    @cached_property
    def classes(self) -> list[tuple[str, ast.ClassDef]]:
        """All of them with their names."""
        return [(name, node) for name, node in self._named if isinstance(node, ast.ClassDef)]

    @cached_property
    def _named(self) -> list[tuple[str, Function | ast.ClassDef]]:
        found: list[tuple[str, Function | ast.ClassDef]] = []
        pending: list[tuple[str, ast.AST]] = [(f"{self.name}:", self.tree)]
        while pending:
            prefix, parent = pending.pop()
            for node in ast.iter_child_nodes(parent):
                inner = prefix
                if isinstance(node, Function | ast.ClassDef):
                    found.append((prefix + node.name, node))
                    inner = f"{prefix}{node.name}."
                pending.append((inner, node))
        return found


def words(text: str) -> set[str]:
    """The names in a source text, those in comments and texts too."""
    return set(re.findall(r"\w+", text))


def read(package: Path) -> list[Module]:
    """The modules of the package in a folder, tests left out."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        is_test = re.match(r"test_|.*_test$|conftest$", inside.stem)
        if is_test or any(part in ("tests", "test") for part in inside.parts[:-1]):
            continue
        parts = [package.name, *inside.with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text()
        found.append(Module(name, path, text, ast.parse(text)))
    return found


def figures(package: Path, within: str = "") -> Figures:
    """Counts everything.

    Args:
        package: its folder.
        within: a subpackage, such as ``"model_selection"``, to count in alone.
    """
    modules = read(package / within if within else package)
    sizes = [len(module.text.splitlines()) for module in modules]
    functions = [each for module in modules for each in module.functions]
    lines = sorted(_lines(function) for _, function in functions)
    bodies = [_body_lines(function) for _, function in functions]
    arguments = list(_arguments(modules))
    public = {name: bool(doc) for module in modules for name, doc in _public(module)}
    return Figures(
        modules=len(modules),
        lines=sum(sizes),
        long_modules=_above(
            LONG_MODULE, ((m.name, size) for m, size in zip(modules, sizes, strict=True))
        ),
        largest=max(sizes),
        median=statistics.median(lines),
        p90=lines[int(0.9 * len(lines))],
        longest=lines[-1],
        median_body=statistics.median(bodies),
        longest_body=max(bodies),
        long_functions=_above(LONG_FUNCTION, ((name, _lines(each)) for name, each in functions)),
        arguments=max(count for _, count in arguments),
        wide_functions=_above(WIDE, arguments),
        documented=sum(public.values()) / len(public),
        undocumented=sorted(name for name, has in public.items() if not has),
        cycles=_all_cycles(modules),
        format_skips=sum(len(re.findall(r"# fmt: skip", module.text)) for module in modules),
        same_basename=_same_basenames(modules),
        same_class=_repeated(
            (each.name, module.name)
            for module in modules
            if ".compat." not in module.name  # classes there are named as in other libraries
            for _, each in module.classes
        ),
    )


# -- functions


def _above(bound: int, found: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    above = [(name, value) for name, value in found if value > bound]
    return sorted(above, key=itemgetter(1), reverse=True)


def _lines(function: Function) -> int:
    docstring = function.body[0] if _has_docstring(function) else None
    without = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - without


def _body_lines(function: Function) -> int:
    body = function.body[1:] if _has_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - _first_line(body[0]) + 1 if body else 0


def _first_line(statement: ast.stmt) -> int:
    if isinstance(statement, Function | ast.ClassDef):
        return min([statement.lineno, *(each.lineno for each in statement.decorator_list)])
    return statement.lineno


def _has_docstring(node: Function | ast.ClassDef | ast.Module) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _arguments(modules: Sequence[Module]) -> Iterator[tuple[str, int]]:
    """How many arguments each function and constructor takes: ``self``, ``*args`` and ``**options``
    do not count, the fields of a dataclass do, those that it inherits included.
    """
    classes = {each.name: each for module in modules for _, each in module.classes}
    for module in modules:
        for name, function in module.functions:
            taken = function.args
            names = [one.arg for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
            names = names[1:] if names[:1] in (["self"], ["cls"], ["mcs"]) else names
            yield name, len(names)
        for name, each in module.classes:
            yield name, len(_fields(each, classes))


def _fields(each: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> set[str]:
    """The constructor's arguments of a dataclass or named tuple; none for other classes."""
    bases = [ast.unparse(base).rpartition(".")[2] for base in each.bases]
    if "NamedTuple" not in bases and not any("dataclass" in d for d in _decorators(each)):
        return set()
    own = {
        statement.target.id
        for statement in each.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and not re.match(r"(\w+\.)?(ClassVar|KW_ONLY)\b", ast.unparse(statement.annotation))
        and not re.search(r"\binit=False", ast.unparse(statement.value or ast.Constant(None)))
    }
    inherited = [_fields(classes[b], classes) for b in bases if b in classes and b != each.name]
    return own.union(*inherited)


def _decorators(node: Function | ast.ClassDef) -> list[str]:
    return [ast.unparse(each) for each in node.decorator_list]


def _public(module: Module) -> Iterator[tuple[str, bool]]:
    """Public classes, functions and methods, and whether each has a docstring; no overloads, no
    setters, no methods with two underscores.
    """
    pending: list[tuple[str, Sequence[ast.stmt]]] = [("", module.tree.body)]
    while pending:
        prefix, body = pending.pop()
        for node in body:
            if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
                continue
            if any(re.search(r"\boverload$|\.setter$", each) for each in _decorators(node)):
                continue
            yield f"{module.name}:{prefix}{node.name}", _has_docstring(node)
            if isinstance(node, ast.ClassDef):
                pending.append((f"{prefix}{node.name}.", node.body))


# -- names that repeat


def _same_basenames(modules: Sequence[Module]) -> dict[str, list[str]]:
    return _repeated(
        (module.path.stem, module.name)
        for module in modules
        if module.path.stem not in ("__init__", "__main__")
    )


def _repeated(pairs: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for name, place in pairs:
        places[name].append(place)
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


# -- imports


def _all_cycles(modules: Sequence[Module]) -> tuple[Cycles, Cycles, Cycles]:
    edges = {kind: imports(modules, kind) for kind in (TOP, LAZY, TYPING)}
    graphs = []
    for kinds in ((TOP,), (TOP, LAZY), (TOP, LAZY, TYPING)):
        names = [module.name for module in modules]
        graphs.append({name: set().union(*(edges[kind][name] for kind in kinds)) for name in names})
    top, lazy, typing = (sorted(cycles(graph), key=len, reverse=True) for graph in graphs)
    return top, lazy, typing


def imports(modules: Sequence[Module], kind: str) -> dict[str, set[str]]:
    """Which modules of the package each imports, at one kind of place; the names of a stub beside
    an ``__init__`` are imports at their first use (`lazy_loader`).
    """
    known = {module.name for module in modules}
    found: dict[str, set[str]] = {}
    for module in modules:
        statements = [node for node, where in _statements(module.tree.body, TOP) if where == kind]
        stub = module.path.with_suffix(".pyi")
        if kind == LAZY and module.is_package and stub.exists():
            statements += [node for node, _ in _statements(ast.parse(stub.read_text()).body, LAZY)]
        targets = (target for node in statements for target in _targets(node, module, known))
        found[module.name] = set(targets) - {module.name}
    return found


def _statements(
    body: Sequence[ast.AST], where: str
) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """Every import statement, and where it stands."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, where
        elif isinstance(node, ast.If) and re.search(r"\bTYPE_CHECKING$", ast.unparse(node.test)):
            yield from _statements(node.body, TYPING)
            yield from _statements(node.orelse, where)
        else:
            inner = LAZY if isinstance(node, Function) and where == TOP else where
            yield from _statements(list(ast.iter_child_nodes(node)), inner)


def _targets(node: ast.Import | ast.ImportFrom, module: Module, known: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (one.name for one in node.names if one.name in known)
        return
    base = node.module or ""
    if node.level:
        here = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
        above = here[: len(here) - node.level + 1]
        base = ".".join([*above, *([base] if base else [])])
    for one in node.names:
        within = f"{base}.{one.name}"
        if within in known:
            yield within
        elif base in known:
            yield base


def cycles(graph: Graph) -> list[list[str]]:
    """The import cycles: sets of modules that reach each other (Tarjan 1972, without recursion)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []
    for root in graph:
        work = [] if root in order else [(root, iter(sorted(graph[root])))]
        while work:
            name, targets = work[-1]
            if name not in order:
                order[name] = low[name] = len(order)
                stack.append(name)
            step = next(targets, None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == order[name]:
                    start = stack.index(name)
                    component, stack[start:] = stack[start:], []
                    found += [sorted(component)] if len(component) > 1 else []
            elif step not in order:
                work.append((step, iter(sorted(graph[step]))))
            elif step in stack:
                low[name] = min(low[name], order[step])
    return found


if __name__ == "__main__":
    print(json.dumps(asdict(figures(Path(sys.argv[1]), *sys.argv[2:])), indent=2))
