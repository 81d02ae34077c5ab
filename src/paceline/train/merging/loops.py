"""Rules of loops and branches: their bodies are related and evaluated like the step itself.

What is carried from one iteration to the next has padding that is zero at the start and is masked
after each iteration.
"""

from collections.abc import Sequence
from typing import Any

from jax import lax

from paceline.train.internals import scan_counts
from paceline.train.merging.rule import Call, Padded, PrimitiveRule, Site


def _relate_scan(site: Site) -> None:
    num_consts, num_carry = scan_counts(site.params)
    consts, carry = site.operands[:num_consts], site.operands[num_consts : num_consts + num_carry]
    sequences = site.operands[num_consts + num_carry :]
    inside = [axes[1:] for axes in sequences]
    outputs = site.relate_body(site.equation.bodies[0], [*consts, *carry, *inside])
    for given, new, result in zip(carry, outputs, site.results, strict=False):
        site.unify(given, new)
        site.unify(given, result)
    for new, result in zip(outputs[num_carry:], site.results[num_carry:], strict=True):
        site.unify(new, result[1:])
        site.fix(result[0])
    site.fix(*(axes[0] for axes in sequences))


def _scan(call: Call) -> list[Padded]:
    """A scan over padded values; the carry is masked in each step, so its padding stays zero."""
    num_consts, num_carry = scan_counts(call.params)
    consts = list(call.operands[:num_consts])
    carry = [call.masked(one) for one in call.operands[num_consts : num_consts + num_carry]]
    sequences = call.operands[num_consts + num_carry :]
    stacked: list[bool] = []

    def body(state: list[Any], values: list[Any]) -> tuple[list[Any], list[Any]]:
        inputs = [
            *consts,
            *_with_arrays(carry, state),
            *(
                Padded(value, one.axes[1:], one.is_zero)
                for value, one in zip(values, sequences, strict=True)
            ),
        ]
        outputs = call.evaluate_body(call.equation.bodies[0], inputs)
        stacked[:] = [output.is_zero for output in outputs[num_carry:]]
        new = [call.masked(output) for output in outputs[:num_carry]]
        return _arrays(new), _arrays(outputs[num_carry:])

    params = call.params
    last, ys = lax.scan(
        body,
        _arrays(carry),
        _arrays(sequences),
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    zero = [*(True for _ in last), *stacked]
    return [
        Padded(array, axes, is_zero)
        for array, axes, is_zero in zip([*last, *ys], call.results, zero, strict=True)
    ]


def _relate_while(site: Site) -> None:
    condition_consts, body_consts, carry = _while_parts(site.params, site.operands)
    body, condition = site.equation.bodies  # sorted by the names of their parameters
    site.relate_body(condition, [*condition_consts, *carry])
    outputs = site.relate_body(body, [*body_consts, *carry])
    for given, new, result in zip(carry, outputs, site.results, strict=True):
        site.unify(given, new)
        site.unify(given, result)


def _while(call: Call) -> list[Padded]:
    condition_consts, body_consts, given = _while_parts(call.params, call.operands)
    body_equations, condition_equations = call.equation.bodies
    carry = [call.masked(one) for one in given]

    def condition(state: list[Any]) -> Any:
        inputs = [*condition_consts, *_with_arrays(carry, state)]
        return call.evaluate_body(condition_equations, inputs)[0].array

    def body(state: list[Any]) -> list[Any]:
        outputs = call.evaluate_body(body_equations, [*body_consts, *_with_arrays(carry, state)])
        return _arrays([call.masked(output) for output in outputs])

    last = lax.while_loop(condition, body, _arrays(carry))
    return [Padded(array, axes, True) for array, axes in zip(last, call.results, strict=True)]


def _while_parts(params: Any, operands: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    first = params["cond_nconsts"]
    second = first + params["body_nconsts"]
    return list(operands[:first]), list(operands[first:second]), list(operands[second:])


def _relate_cond(site: Site) -> None:
    for body in site.equation.bodies:
        for output, result in zip(
            site.relate_body(body, site.operands[1:]), site.results, strict=True
        ):
            site.unify(output, result)


def _cond(call: Call) -> list[Padded]:
    index, *operands = call.operands
    zero = [True] * len(call.results)

    def branch(body: Any) -> Any:
        def run(*arrays: Any) -> list[Any]:
            outputs = call.evaluate_body(body, _with_arrays(operands, arrays))
            zero[:] = [a and b.is_zero for a, b in zip(zero, outputs, strict=True)]
            return _arrays(outputs)

        return run

    branches = [branch(body) for body in call.equation.bodies]
    arrays = lax.switch(index.array, branches, *_arrays(operands))
    return [Padded(*one) for one in zip(arrays, call.results, zero, strict=True)]


def _arrays(values: Sequence[Padded]) -> list[Any]:
    return [value.array for value in values]


def _with_arrays(values: Sequence[Padded], arrays: Sequence[Any]) -> list[Padded]:
    return [
        Padded(array, value.axes, value.is_zero)
        for value, array in zip(values, arrays, strict=True)
    ]


RULES: dict[str, Any] = {
    "scan": PrimitiveRule(_relate_scan, _scan),
    "while": PrimitiveRule(_relate_while, _while),
    "cond": PrimitiveRule(_relate_cond, _cond),
}
