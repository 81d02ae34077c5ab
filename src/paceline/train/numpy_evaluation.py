"""Evaluates a traced step with NumPy, for a single batch.

Compiling a step takes longer than the training of a small network, and JAX compiles each operation
for each shape when it evaluates a jaxpr step by step. NumPy needs some milliseconds. Operations
without a counterpart in `paceline.train.numpy_primitives` are evaluated by JAX.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import jax
import numpy as np
from threadpoolctl import ThreadpoolController

from paceline.train.constant_lifting import INLINED
from paceline.train.internals import ClosedJaxpr, Equation, Jaxpr, Literal, bind, scan_counts
from paceline.train.numpy_primitives import numpy_function

_Values = list[Any]
_OF_NUMPY = (np.ndarray, np.generic)


def evaluate_with_numpy(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """The outputs of a jaxpr.

    Args:
        closed: the jaxpr.
        args: an array for each input.
    """
    # a second thread waits actively for products, and other threads train networks
    with np.errstate(all="ignore"), _one_thread():
        return _evaluate(closed.jaxpr, closed.consts, [_on_host(arg) for arg in args])


def _one_thread() -> AbstractContextManager[object]:
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def _evaluate(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any]) -> _Values:
    """Evaluates the equations in order; each value is freed after its last use."""
    env: dict[Any, Any] = dict(zip(jaxpr.constvars, map(_on_host, consts), strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    last_use = _last_uses(jaxpr)

    def read(atom: Any) -> Any:
        return _on_host(atom.val) if isinstance(atom, Literal) else env[atom]

    for i, equation in enumerate(jaxpr.eqns):
        results = _equation(equation, [read(atom) for atom in equation.invars])
        for variable, value in zip(equation.outvars, results, strict=True):
            env[variable] = _typed(value, variable.aval)
        for atom in equation.invars:  # frees the memory of what is not needed any more
            if not isinstance(atom, Literal) and last_use[atom] == i:
                env.pop(atom, None)
    return [read(atom) for atom in jaxpr.outvars]


def _last_uses(jaxpr: Jaxpr) -> dict[Any, int]:
    """The number of the last equation that uses a variable; -1 for outputs."""
    found = {
        atom: i
        for i, equation in enumerate(jaxpr.eqns)
        for atom in equation.invars
        if not isinstance(atom, Literal)
    }
    return found | {atom: -1 for atom in jaxpr.outvars if not isinstance(atom, Literal)}


def _equation(equation: Equation, values: _Values) -> _Values:
    name, params = equation.primitive.name, equation.params
    if name in INLINED:
        bodies = [one for one in params.values() if isinstance(one, ClosedJaxpr | Jaxpr)]
        if len(bodies) == 1:
            return _body(bodies[0], values)
    if name in _LOOPS and params.get("length", 1):
        return _LOOPS[name](params, values)
    function = numpy_function(name)
    if name != "random_bits" and not all(isinstance(one, _OF_NUMPY) for one in values):
        function = None  # of random keys
    found = None if function is None else function(*values, **params)
    if found is None:
        return bind(equation, values)
    return found if isinstance(found, list) else [found]


def _body(body: Any, values: _Values) -> _Values:
    if isinstance(body, ClosedJaxpr):
        return _evaluate(body.jaxpr, body.consts, values)
    return _evaluate(body, (), values)


def _scan(params: Mapping[str, Any], values: _Values) -> _Values:
    num_consts, num_carry = scan_counts(params)
    consts, carry = values[:num_consts], values[num_consts : num_consts + num_carry]
    sequences, body = values[num_consts + num_carry :], params["jaxpr"]
    order = range(params["length"])
    stacked: list[_Values] = []
    for i in reversed(order) if params["reverse"] else order:
        outs = _body(body, [*consts, *carry, *(s[i] for s in sequences)])
        carry = outs[:num_carry]
        stacked.append(outs[num_carry:])
    rows = stacked[::-1] if params["reverse"] else stacked
    return [*carry, *(np.stack(column) for column in zip(*rows, strict=True))]


def _while(params: Mapping[str, Any], values: _Values) -> _Values:
    first = params["cond_nconsts"]
    second = first + params["body_nconsts"]
    carry = values[second:]
    while _body(params["cond_jaxpr"], [*values[:first], *carry])[0]:
        carry = _body(params["body_jaxpr"], [*values[first:second], *carry])
    return carry


def _cond(params: Mapping[str, Any], values: _Values) -> _Values:
    branches = params["branches"]
    return _body(branches[int(np.clip(values[0], 0, len(branches) - 1))], values[1:])


_LOOPS: Mapping[str, Callable[[Mapping[str, Any], _Values], _Values]] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
}


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.extended)


def _on_host(value: Any) -> Any:
    """As a NumPy array, unless it is a random key."""
    return value if isinstance(value, np.ndarray) or _is_key(value) else np.asarray(value)


def _typed(value: Any, aval: Any) -> Any:
    if type(value) is np.ndarray and value.dtype == aval.dtype:
        return value
    return value if _is_key(value) else np.asarray(value, aval.dtype)
