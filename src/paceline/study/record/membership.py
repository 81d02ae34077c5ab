"""Which trials belong to the current space after it was changed."""

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field, replace

from paceline.core import Configuration, Final, Trial
from paceline.space import Space, move


def moved(
    trials: Mapping[int, Trial],
    already: Mapping[int, Configuration | None],
    before: Space,
    after: Space,
    only: Collection[int] | None = None,
) -> dict[int, Configuration | None]:
    """Trials outside of a new space, and how they count in it; see `Record.moved`.

    Args:
        trials: by number.
        already: those outside of the space before.
        before, after: the two spaces.
        only: trials to consider; None for all.
    """
    trials = trials if only is None else {number: trials[number] for number in only}
    found = {
        n: move(trial.config, None if n in already else before, after)
        for n, trial in trials.items()
    }
    return {number: one.config for number, one in found.items() if not one.is_whole}


@dataclass
class Membership:
    """Which trials of a study belong to the current space.

    Attributes:
        moved: trials of an earlier space that do not belong to the current one, by number: their
            configuration in the current space, from which the search learns, or None if they lie
            outside.
        begun: trials that began in the last session.
        earlier: trials that began before the last change of the space. If such a trial lacks a
            value for a hyperparameter that is found later, it does not belong to the space, since
            the change may have added that hyperparameter.
    """

    moved: dict[int, Configuration | None] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    earlier: set[int] = field(default_factory=set)

    def begin(self, number: int) -> None:
        """Marks a trial as begun: it belongs to the current space, whatever it was proposed in."""
        self.moved.pop(number, None)
        self.earlier.discard(number)
        self.begun.add(number)

    def after_growth(
        self, trials: Mapping[int, Trial], before: Space, after: Space
    ) -> dict[int, Configuration | None]:
        """`moved` once more is known of the space: which earlier trials belong to it may change."""
        now = moved(trials, self.moved, before, after, only=self.moved)
        members = moved(trials, {}, before, after, only=self.earlier - self.moved.keys())
        return now | {number: None for number, config in members.items() if config is None}

    def after_change(
        self, trials: Mapping[int, Trial], before: Space, after: Space, *, by_call: bool
    ) -> dict[int, Configuration | None]:
        """`moved` once there is another space; where a call showed it, the trials of this session
        belong to it.
        """
        self.earlier = trials.keys() - (self.begun if by_call else set())
        return moved(trials, self.moved, before, after, only=self.earlier)


def without(final: Final, trials: Container[int]) -> Final | None:
    """The final without some of its trials."""
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
