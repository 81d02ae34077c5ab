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

    Calls of classes are taken for new objects without effect, such as callbacks. Without its source
    nothing is found.
    """
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, TypeError, SyntaxError):
        return ""
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call) and not _is_harmless(node.func):
            return f"calls {ast.unparse(node.func)}"
        if isinstance(node, ast.Attribute):
            if isinstance(node.ctx, ast.Store):
                return f"sets {ast.unparse(node)}"
            if node.attr == "trial_id":
                return f"uses {ast.unparse(node)}"
        if isinstance(node, ast.Global | ast.Nonlocal):
            return f"changes {node.names[0]}"
    return ""


def _is_harmless(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in _BUILT_IN or function.id[:1].isupper()
    if not isinstance(function, ast.Attribute):
        return False
    name = function.attr
    if name in _TRAINING | _OF_HP or name[:1].isupper():
        return True
    return name in _OF_ARGUMENTS and _root(function) != "self"


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
