"""The measured ablation: networks that differ from the default or the winner in one value."""

from pathlib import Path

from paceline.core import Ablation, Configuration, InvalidInput, Side, Value
from paceline.core.events import (
    AblationMeasured,
    AblationStarted,
    EpochMeasured,
    Event,
    SessionEnded,
    SessionStarted,
    TrialEnded,
)
from paceline.execute.base import Job
from paceline.space import Space
from paceline.study.loop.beginning import versions
from paceline.study.loop.session import attach_callbacks
from paceline.study.plan.network_plan import NetworkPlan
from paceline.study.planned.retraining import epochs_of, record_all
from paceline.study.record.record import Record
from paceline.study.record.recorder import Observer, Recorder
from paceline.study.record.replay import writing
from paceline.study.resume.trust import remembered


def measure_ablation(
    plan: NetworkPlan, directory: Path, num_pairs: int, observer: Observer | None = None
) -> None:
    """Measures what is missing of a study's ablation; see `paceline.ablate`."""
    with writing(directory) as store:
        recorder = Recorder(store, observer)
        attach_callbacks(observer, recorder, directory, plan.budget)
        plan.changes_since(recorder.record, store.value("strategy"))
        _check(recorder.record, directory)
        recorder.tell([SessionStarted(versions())], remembered(plan.settings))
        try:
            _measure(plan, recorder, num_pairs)
        finally:
            recorder.tell([SessionEnded("the ablation was measured", 0.0)])


def configurations(
    space: Space, default: Configuration, winner: Configuration
) -> dict[Side, dict[str, Configuration]]:
    """The configurations of each side, by changed hyperparameter; empty for the side itself.

    A hyperparameter that a change makes active takes the value of the configuration towards which
    the change leads.
    """
    ways = {Side.DEFAULT: (default, winner), Side.WINNER: (winner, default)}
    return {
        side: {"": start, **_changed(space, start, goal)} for side, (start, goal) in ways.items()
    }


def _changed(space: Space, start: Configuration, goal: Configuration) -> dict[str, Configuration]:
    """For each hyperparameter, the starting configuration with the goal's value of it."""
    found: dict[str, Configuration] = {}
    for name in space.names:
        if name not in start or name not in goal or start[name] == goal[name]:
            continue
        values: dict[str, Value] = {
            **{k: v for k, v in goal.items() if k not in start},
            **start,
            name: goal[name],
        }
        changed = space.project(values) or space.project(
            {**values, **_values_of_other_variants(space, values, goal)}
        )
        # otherwise the value is legal only together with the goal's other values
        if changed is not None and changed.get(name) == goal[name]:
            found[name] = changed
    return found


def _values_of_other_variants(
    space: Space, values: Configuration, goal: Configuration
) -> dict[str, Value]:
    """Values of the goal for names whose other variant, active with some values, can take them."""
    others = (
        name
        for name in space.names
        if len(space.variants(name)) > 1 and name in goal and name in values
    )
    return {name: goal[name] for name in others}


def _check(record: Record, directory: Path) -> None:
    best, default = record.best, record.default
    if best is None or default is None:
        what = "no completed trial" if best is None else "no trial of the default configuration"
        raise InvalidInput(
            f"study {directory} has {what}", expected="both a best trial and one of the default"
        )
    if best.number == default.number:
        raise InvalidInput(
            f"the best trial of study {directory} is the default configuration",
            expected="a winner that differs from it",
        )


def _measure(plan: NetworkPlan, recorder: Recorder, num_pairs: int) -> None:
    """Trains what is missing of the configurations between the default and the best one."""
    record = recorder.record
    best, default = record.best, record.default
    if best is None or default is None:
        raise TypeError("an ablation leads from one trial to another")
    configs = configurations(record.space, default.config, best.config)
    splits = plan.fresh_splits
    changes = {str(side): tuple(name for name in own if name) for side, own in configs.items()}
    ends, is_fresh = (default.number, best.number), splits.kind.are_fresh
    recorder.tell([AblationStarted(*ends, num_pairs, is_fresh, splits.share, changes, splits.kind)])
    ablation = _of(record)
    epochs = epochs_of(best)
    known = _known(record, ablation) if epochs_of(default) == epochs else []
    recorder.tell(known)
    missing = _of(record).missing
    if not missing:
        return
    fresh = plan.fresh(num_pairs)
    jobs = [
        Job(number, configs[side][name], fresh.seeds[pair], epochs, split=pair)
        for number, (side, name, pair) in enumerate(missing)
    ]

    def measured(ended: TrialEnded, _: EpochMeasured | None) -> AblationMeasured:
        return AblationMeasured(*missing[ended.number], ended.score)

    record_all(fresh, jobs, recorder, measured)


def _known(record: Record, ablation: Ablation) -> list[Event]:
    """Measurements of the default and the winner in the final, if its pairs are the same."""
    if record.final is None or record.final.splits is not ablation.splits:
        return []
    ends = {Side.DEFAULT: ablation.default, Side.WINNER: ablation.winner}
    return [
        AblationMeasured(side, "", pair, record.final.scores[number, pair])
        for side, number in ends.items()
        for pair in range(ablation.num_pairs)
        if (number, pair) in record.final.scores and (side, "", pair) not in ablation.scores
    ]


def _of(record: Record) -> Ablation:
    if record.ablation is None:
        raise TypeError("the ablation has not begun")
    return record.ablation
