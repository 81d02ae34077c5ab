"""What a change of the space leaves of a study's trials, and of a final that some of them were
in.
"""

from collections.abc import Collection, Container, Mapping
from dataclasses import replace

from paceline.core import Configuration, Final, Trial
from paceline.space import Space, move


def moved(
    trials: Mapping[int, Trial],
    already: Mapping[int, Configuration | None],
    before: Space,
    after: Space,
    only: Collection[int] | None = None,
) -> dict[int, Configuration | None]:
    """Which trials are none of a new space, and what they count as there; see `Record.moved`.

    Args:
        trials: by number.
        already: those that are none of the space before.
        before, after: the spaces.
        only: trials to be looked at; None for all.
    """
    trials = trials if only is None else {number: trials[number] for number in only}
    found = {
        n: move(trial.config, None if n in already else before, after)
        for n, trial in trials.items()
    }
    return {number: one.config for number, one in found.items() if not one.is_whole}


def without(final: Final, trials: Container[int]) -> Final | None:
    """What is left of a final without some of its trials."""
    finalists = tuple(number for number in final.finalists if number not in trials)
    if not finalists:
        return None
    scores = {key: score for key, score in final.scores.items() if key[0] in finalists}
    return replace(
        final,
        finalists=finalists,
        default=final.default if final.default in finalists else None,
        winner=final.winner if final.winner in finalists else None,
        scores=scores,
        seconds={key: final.seconds[key] for key in scores},
    )
