"""What a ``fit`` or ``run_trial`` of the user does besides training, from its source.

Where trials train together such a method is not called for each of them. So one that does more than
choose arguments and train, such as to write a log, has to be called: its trials train one by one.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

_TRAINING = {"fit", "run_trial"}
_OF_HP = {"Int", "Float", "Choice", "Boolean", "Fixed", "get", "conditional_scope", "name_scope"}
_OF_ARGUMENTS = {"update", "setdefault", "pop", "copy", "append", "extend"}
_BUILT_IN = {"super", "dict", "list", "tuple", "int", "float", "str", "bool", "len", "min", "max"}


def effect_of(method: Callable[..., Any]) -> str:
    """The first thing in a method that has an effect beside training; empty if there is none.

    Calls of classes are taken for new objects without effect, such as callbacks, and changes of
    what the method was passed or has made itself for part of choosing arguments. Without its source
    nothing is found.
    """
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, TypeError, SyntaxError):
        return ""
    own = _own_names(parsed)
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call) and not _is_harmless(node.func, own):
            return f"calls {ast.unparse(node.func)}"
        if isinstance(node, ast.Subscript) and _is_set(node) and _root(node) not in own:
            return f"sets {ast.unparse(node)}"
        if isinstance(node, ast.Attribute):
            if _is_set(node):
                return f"sets {ast.unparse(node)}"
            if node.attr == "trial_id":
                return f"uses {ast.unparse(node)}"
        if isinstance(node, ast.Global | ast.Nonlocal):
            return f"changes {node.names[0]}"
    return ""


def _own_names(parsed: ast.AST) -> set[str]:
    """Names of a method's arguments and variables, without its object; and of built-in types."""
    found = {one.arg for one in ast.walk(parsed) if isinstance(one, ast.arg)}
    stored = (one for one in ast.walk(parsed) if isinstance(one, ast.Name))
    found |= {one.id for one in stored if isinstance(one.ctx, ast.Store)}
    return (found | _BUILT_IN) - {"self", "super"}


def _is_set(node: ast.Attribute | ast.Subscript) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _is_harmless(function: ast.expr, own: set[str]) -> bool:
    if isinstance(function, ast.Name):
        return function.id in _BUILT_IN or function.id[:1].isupper()
    if not isinstance(function, ast.Attribute):
        return False
    name = function.attr
    if name in _TRAINING | _OF_HP or name[:1].isupper():
        return True
    return name in _OF_ARGUMENTS and _root(function) in own


def _root(node: ast.expr) -> str:
    """The name with which an expression such as ``kwargs.get("callbacks")[0].x`` begins."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
