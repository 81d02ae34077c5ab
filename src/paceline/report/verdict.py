"""The result of the final as sentences and as a table."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from paceline.core import Trial, TrialState
from paceline.report import words
from paceline.study import Record

if TYPE_CHECKING:
    from paceline.stats.final_verdict import Rival, Verdict

HEADINGS = ("trial", "mean", "deviation", "worse by", "corrected interval", "p (Holm)", "")
"""Of `rows`; intervals and p are corrected for the number of rivals."""

_MOST_DECIMALS = 8


def verdict_of(record: Record) -> "Verdict | None":
    """The verdict on a study's final, finished or not; None if none has begun."""
    if record.final is None or not record.final.finalists:
        return None
    from paceline.study.evaluation.final import judged

    return judged(record)


def sentences(verdict: "Verdict", record: Record) -> list[str]:
    """The winner and its value, its ties, whether it beats the default; and the limitations."""
    said: list[str] = []
    if not math.isnan(verdict.mean):
        for part in (_winner, _tied, _taken, _default, _optimism, _others):
            said += part(verdict, record)
    return [*said, *verdict.limits, *record.notes_of_final]


def rows(verdict: "Verdict", record: Record) -> list[list[str]]:
    """One row for each finalist, the winner first, under `HEADINGS`; none if nothing was
    measured.
    """
    if math.isnan(verdict.mean):
        return []
    number, default = _shown(verdict), None if record.final is None else record.final.default
    own = [
        _name(verdict.winner, default),
        number(verdict.mean),
        _known(verdict.sd),
        "",
        "",
        "",
        "winner",
    ]
    return [own, *(_row(rival, number, default) for rival in verdict.rivals)]


def to_json(verdict: "Verdict", record: Record) -> dict[str, Any]:
    """The verdict as plain types: its fields, the sentences, each finalist's fresh scores."""
    final = record.final
    scores = (
        {}
        if final is None
        else {str(number): final.scores_of(number) for number in final.finalists}
    )
    default, winner = (None, None) if final is None else (final.default, final.winner)
    return {
        **asdict(verdict),
        "default": default,
        "taken": winner,
        "scores": scores,
        "sentences": sentences(verdict, record),
    }


def _winner(verdict: "Verdict", record: Record) -> Iterator[str]:
    number, metric = _shown(verdict), record.objective.metric
    stands = "is ahead" if record.final is None or record.final.winner is None else "is the winner"
    measured = f"Trial {verdict.winner} {stands}: {metric} {number(verdict.mean)}"
    if verdict.num_pairs == 1:
        yield f"{measured} in one fresh training."
        return
    if verdict.exact:
        yield f"{measured} in each of {verdict.num_pairs} calls."
        yield (
            "No finalist's score changed from call to call and none used hp.seed, so the "
            "scores are exact."
        )
        return
    yield (
        f"{measured}, the mean of {verdict.num_pairs} fresh trainings (standard deviation "
        f"{_known(verdict.sd)})."
    )
    corrected = (
        ""
        if number(verdict.expected) == number(verdict.mean)
        else ", corrected for being selected as the best"
    )
    unknown = math.isnan(verdict.low)
    interval = (
        "" if unknown else f" (95 % interval {number(verdict.low)} to {number(verdict.high)})"
    )
    yield f"Its expected score{corrected}: {number(verdict.expected)}{interval}."


def _tied(verdict: "Verdict", _: Record) -> Iterator[str]:
    others = verdict.tied[1:]
    beaten = [rival for rival in verdict.rivals if not rival.tied and not math.isnan(rival.p_holm)]
    if others:
        why = "their scores are equal" if verdict.exact else "no significant difference"
        yield f"It is tied with {_listed(others)}: {why}."
    elif beaten:
        yield (
            f"It is better than "
            f"{'the other finalist' if len(beaten) == 1 else f'all {len(beaten)} other finalists'}."
        )


def _taken(verdict: "Verdict", record: Record) -> Iterator[str]:
    taken = (
        verdict.recommended
        if record.final is None or record.final.winner is None
        else record.final.winner
    )
    if taken != verdict.winner:
        prefer = record.settings.evaluation.prefer
        why = {"small": " and smaller", "fast": " and faster"}.get(str(prefer), "")
        yield f"Trial {taken} is selected instead: tied with it{why}."


def _default(verdict: "Verdict", record: Record) -> Iterator[str]:
    default = None if record.final is None else record.final.default
    rival = next((rival for rival in verdict.rivals if rival.number == default), None)
    if default == verdict.winner:
        yield "It is the default configuration: no other one is shown to be better."
    elif rival is not None and verdict.beats_default:
        ahead = words.number(rival.difference)
        interval = (
            "" if math.isnan(rival.low) or verdict.exact else f" (95 % interval {_interval(rival)})"
        )
        luck = min(abs(verdict.mean - verdict.expected), rival.difference)
        is_seen = words.number(rival.difference - luck) != ahead  # not if it is lost in rounding
        part = f", of which {words.number(luck)} may be due to chance" if is_seen else ""
        yield f"It is better than the default configuration by {ahead}{interval}{part}."
    elif rival is not None and verdict.beats_default is False:
        yield "It is not significantly better than the default configuration."


def _optimism(verdict: "Verdict", record: Record) -> Iterator[str]:
    trial = record.trials.get(verdict.winner)
    searched = None if trial is None else _searched(trial, record)
    if searched is None or math.isnan(verdict.optimism) or verdict.exact:
        return
    number = _shown(verdict)
    seen = f"Its score in the search was {number(searched)}"
    if verdict.optimism > 0 and number(verdict.optimism) != number(0.0):
        yield f"{seen}, which was too optimistic by {number(verdict.optimism)}."
    else:
        yield f"{seen}, which was not too optimistic."


def _others(verdict: "Verdict", record: Record) -> Iterator[str]:
    """Sentences on trials whose score in the search was better than the winner's fresh mean."""
    final = record.final
    if final is None or final.winner is None or verdict.exact:
        return
    scored = _search_scores(record)
    number, loss = _shown(verdict), record.objective.loss
    best = min(scored, key=lambda one: loss(scored[one]), default=verdict.winner)
    fresh = final.scores_of(best)
    if best in final.finalists and best != verdict.winner and all(map(math.isfinite, fresh)):
        yield (
            f"Trial {best} had the best score of the search, {number(scored[best])}; its fresh "
            f"mean is {number(statistics.fmean(fresh))}."
        )
    yield from _left_out(verdict, record, scored)


def _left_out(verdict: "Verdict", record: Record, scored: Mapping[int, float]) -> Iterator[str]:
    """Sentences on better scores of trials that are not finalists."""
    final, objective, number = record.final, record.objective, _shown(verdict)
    finalists = () if final is None else final.finalists
    passed = [
        one
        for one, score in scored.items()
        if one not in finalists and objective.better(score, verdict.expected)
    ]
    first = min(passed, key=lambda one: objective.loss(scored[one]), default=None)
    if first is None or number(scored[first]) == number(verdict.expected):
        return
    who, scores = f"Trial {first}, which is not a finalist,", number(scored[first])
    if len(passed) > 1:
        who = f"{len(passed):,} trials that are not finalists"
        scores = f"trial {first}: {scores}"
    yield f"{who} scored better in the search than the winner's fresh mean ({scores})."
    default = None if final is None else final.default
    chosen = [scored[one] for one in finalists if one in scored and one != default]
    if any(objective.better(scored[first], score) for score in chosen):
        yield (
            "Single scores vary by chance: a model of all trials predicts better scores of the "
            "finalists."
        )
    else:
        yield "Single scores vary by chance, and those of the finalists were better still."


def _search_scores(record: Record) -> dict[int, float]:
    """The search scores of the completed trials of the current space."""
    found = {}
    for number, trial in record.trials.items():
        if number in record.moved or trial.state is not TrialState.COMPLETED:
            continue
        if (score := _searched(trial, record)) is not None:
            found[number] = score
    return found


def _searched(trial: Trial, record: Record) -> float | None:
    from paceline.study.evaluation.final import searched_score

    return searched_score(trial, record)


def _row(rival: "Rival", number: Callable[[float], str], default: int | None) -> list[str]:
    stands = "tied" if rival.tied else "failed" if math.isnan(rival.difference) else "worse"
    p = (
        ""
        if math.isnan(rival.p_holm)
        else f"{rival.p_holm:.2g}"
        if rival.p_holm >= 1e-3
        else "< 0.001"
    )
    return [
        _name(rival.number, default),
        number(rival.mean) if math.isfinite(rival.mean) else "",
        _known(rival.sd),
        _known(rival.difference),
        "" if math.isnan(rival.low) else _interval(rival),
        p,
        stands,
    ]


def _shown(verdict: "Verdict") -> Callable[[float], str]:
    """Formats scores with as many decimals as show two digits of the interval."""
    half = (verdict.high - verdict.low) / 2
    if not math.isfinite(half) or half <= 0:
        return words.number
    decimals = min(_MOST_DECIMALS, max(0, 1 - math.floor(math.log10(half))))
    return lambda value: f"{value:,.{decimals}f}"


def _interval(rival: "Rival") -> str:
    return f"{words.number(rival.low)} to {words.number(rival.high)}"


def _known(value: float) -> str:
    return "" if math.isnan(value) else words.number(value)


def _name(number: int, default: int | None) -> str:
    return f"{number} (default)" if number == default else str(number)


def _listed(numbers: Sequence[int]) -> str:
    """``trial 3``, ``trials 3, 9 and 12``."""
    first = ", ".join(map(str, numbers[:-1]))
    return f"trials {first} and {numbers[-1]}" if first else f"trial {numbers[-1]}"
