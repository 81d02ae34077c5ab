"""Compiles the programs of some work without training, so that the cache on disk has them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from paceline.core import Configuration, interrupts, process_state
from paceline.execute.base import Job
from paceline.execute.merging import NetworkMerging
from paceline.execute.network_parts import NetworkParts
from paceline.execute.prepare import FailedBuild, PreparedNetwork
from paceline.execute.program_cache import ProgramCache
from paceline.execute.work import NetworkWork
from paceline.space import Space
from paceline.train.compiler import Compiler

_DRAWS = 4096
_MAX_CONFIGURATIONS = 1000


@dataclass(frozen=True, slots=True)
class WarmProgram:
    """A program that is in the cache on disk now.

    Attributes:
        config: the configuration of one of its networks.
        num_lanes: networks that it trains together.
        seconds: wall time.
        from_scratch: whether it was compiled, and not read from the cache.
    """

    config: Configuration
    num_lanes: int
    seconds: float
    from_scratch: bool


def warm(work: NetworkWork, epochs: Callable[[Configuration], int]) -> Iterator[WarmProgram]:
    """Compiles the programs that networks of a space have, one after another.

    Networks that cannot be built, or that need ``fit``, have none.

    Args:
        work: the networks.
        epochs: for how many epochs a configuration trains.
    """
    parts = NetworkParts.of(work)
    preparation, lane_count = parts.preparation, parts.lane_count
    merging = NetworkMerging(
        preparation, parts.expected, work.options.merge, lane_count.cohort_memory
    )
    programs = ProgramCache(preparation, parts.hint, merging, lane_count, parts.expected)
    compiler = Compiler()
    with process_state.fewer_collections():
        for config in _configurations(work.space):
            interrupts.check()
            (prepared,) = preparation.prepare([Job(0, config, 0, epochs(config))])
            if isinstance(prepared, PreparedNetwork) and prepared.traced is not None:
                prepared, key = merging.assign(prepared)
            if isinstance(prepared, FailedBuild) or prepared.traced is None:
                continue
            if programs.is_known(key):
                continue
            program = programs.program(key, [prepared.traced], prepared)
            num_lanes = programs.num_lanes(program, prepared.config, 1, 1)
            interrupts.check()
            compiled = program.compile(num_lanes, compiler.mesh)
            is_new = compiled.from_scratch > 0
            yield WarmProgram(prepared.config, num_lanes, compiled.seconds, is_new)


def _configurations(space: Space) -> Iterator[Configuration]:
    """Configurations that differ in more than floats: the default, then random ones."""
    rng = np.random.default_rng(0)
    seen = set()
    for draw in range(_DRAWS):
        config = space.sample(rng) if draw else space.complete({})
        key = tuple((name, repr(v)) for name, v in config.items() if not isinstance(v, float))
        if key not in seen:
            seen.add(key)
            yield config
        if len(seen) == _MAX_CONFIGURATIONS:
            return
