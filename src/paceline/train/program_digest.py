"""A key of what is compiled for a program, by which it is found on disk without lowering it."""

import hashlib
import os
import sys
from functools import partial
from typing import Any

import jax

from paceline.train.constant_lifting import inner_jaxprs
from paceline.train.environment import environment
from paceline.train.internals import Jaxpr
from paceline.train.kept_executables import types_of
from paceline.train.program import BaseProgram

_FLAGS = {"XLA_FLAGS", "LIBTPU_INIT_ARGS", "NPROC"}  # the last: threads of XLA on a CPU


def program_digest(program: BaseProgram, num_lanes: int, options: object) -> str:
    """A hash of everything that decides the executables of a program for a number of lanes.

    Empty if they belong to this process: they call functions of Python, or forms of operations that
    are not Paceline's own.

    Args:
        program: the program.
        num_lanes: number of lanes, on one device.
        options: of XLA, for each executable.
    """
    traced, overrides = program.traced, _named(program.overrides)
    if overrides is None or any(_is_local(one.code.body.jaxpr) for one in traced.parts.values()):
        return ""
    leaves = types_of(program.lane_leaves)
    own_values = program.constants(traced).items()
    constants = [(name, row.shape, str(row.dtype)) for name, row in own_values]
    parts = [
        (name, part.log_names, program.part_digest(name)) for name, part in traced.parts.items()
    ]
    rows: Any = traced.feed  # of arrays: streams are not kept
    data = types_of((rows.data.train, rows.data.validation))
    own = (type(program).__name__, overrides, traced.layout, traced.feed.identity, data)
    compiled = (num_lanes, options, leaves, constants, parts)
    text = repr((environment(), _settings(), own, compiled))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _named(overrides: Any) -> str | None:
    """What names the overrides in each process; None if nothing does."""
    if overrides is None:
        return ""
    made = overrides if isinstance(overrides, partial) else partial(overrides)
    function: Any = made.func
    module, name = function.__module__, function.__qualname__
    if not module.startswith("paceline.") or vars(sys.modules[module]).get(name) is not function:
        return None
    return f"{module}.{name} {made.keywords}"


def _settings() -> list[tuple[str, str]]:
    """JAX's settings without those of caches, and the flags of XLA."""
    values: dict[str, Any] = jax.config.values
    settings = [(name, repr(value)) for name, value in values.items() if "cache" not in name]
    flags = [(name, value) for name, value in os.environ.items() if name in _FLAGS]
    return sorted([*settings, *flags])


def _is_local(jaxpr: Jaxpr) -> bool:
    """Whether it calls functions of Python, or prints: an executable has their addresses."""
    return bool(jaxpr.effects) or any(
        "callback" in equation.primitive.name
        or any(_is_local(inner) for inner, _ in inner_jaxprs(equation.params))
        for equation in jaxpr.eqns
    )
