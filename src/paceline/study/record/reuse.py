"""Reuses measurements of an earlier final or ablation in a new one."""

import math
from dataclasses import replace

from paceline.core import Ablation, Final, Side
from paceline.core.events import AblationStarted, FinalMeasured, FinalStarted


def final_of(event: FinalStarted, earlier: Final | None) -> Final:
    """Begins a final, with the earlier measurements of its finalists.

    A pair of one kind is the same in every final.
    """
    final = Final(
        event.finalists,
        event.default,
        event.num_pairs,
        event.kind,
        event.validation_share,
        seeded=False,
    )
    if earlier is None or earlier.splits is not final.splits:
        return final
    every = {(number, pair) for number in final.finalists for pair in range(final.num_pairs)}
    scores = {key: score for key, score in earlier.scores.items() if key in every}
    seconds = {key: earlier.seconds[key] for key in scores}
    return replace(final, scores=scores, seconds=seconds, seeded=earlier.seeded)


def ablation_of(event: AblationStarted, earlier: Ablation | None) -> Ablation:
    """Begins an ablation; keeps measurements of an earlier one of the same trials and pairs."""
    changes = {Side(side): tuple(names) for side, names in event.changes.items()}
    ends = (event.default, event.winner, event.kind)
    same = earlier is not None and (earlier.default, earlier.winner, earlier.splits) == ends
    scores = earlier.scores if earlier is not None and same else {}
    pairs = (event.num_pairs, event.kind, event.validation_share)
    return Ablation(event.default, event.winner, *pairs, changes, scores)


def with_measurement(final: Final, event: FinalMeasured) -> Final:
    """A final with one more fresh training measured."""
    key = (event.number, event.pair)
    score = math.nan if event.score is None else event.score
    return replace(
        final,
        scores={**final.scores, key: score},
        seconds={**final.seconds, key: event.seconds},
        seeded=final.seeded or event.seeded,
    )
