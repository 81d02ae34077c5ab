"""Jobs that can share a training, and configurations that are expected to share a program."""

from collections.abc import Callable, Mapping, Sequence

from paceline.core import Configuration
from paceline.execute.base import Job
from paceline.space import Space


def group_by_training(jobs: Sequence[Job]) -> list[list[Job]]:
    """Groups jobs that differ at most in ``epochs``, in the order of their first jobs."""
    groups: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        rest = tuple(
            sorted((name, repr(value)) for name, value in job.config.items() if name != "epochs")
        )
        groups.setdefault((job.seed, job.split, *rest), []).append(job)
    return list(groups.values())


ProgramHint = Callable[[Configuration], object]
"""Guesses which configurations share a program, before they are built: those of equal value."""


def group_by_hint(groups: Sequence[list[Job]], hint: ProgramHint) -> list[list[list[Job]]]:
    """Blocks of groups with the same hint, in the order of their first group."""
    blocks: dict[object, list[list[Job]]] = {}
    for group in groups:
        blocks.setdefault(hint(group[0].config), []).append(group)
    return list(blocks.values())


def structural_hint(structural: Mapping[str, bool], space: Space) -> ProgramHint:
    """Returns a hint by the hyperparameters that change the program.

    Args:
        structural: whether each hyperparameter is known to change it; the default is True, except
            for floats. A float that changes it, such as a dropout rate, is assumed to do so at 0.
        space: the search space.
    """

    def hint(config: Configuration) -> object:
        return tuple(
            (name, bool(value) if isinstance(value, float) else value)
            for name, value in ((name, config[name]) for name in space.names if name in config)
            if structural.get(name, not isinstance(value, float))
        )

    return hint
