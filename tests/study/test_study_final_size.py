"""An automatic final never costs more than the search did: whole studies under a virtual clock."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.study.replayed import LOSS, SPACE, Replayed

from paceline.core import TrialState
from paceline.core.events import (
    EpochMeasured,
    Event,
    FinalMeasured,
    SpaceChanged,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from paceline.store import StudyStore
from paceline.study import carry_out
from paceline.study.evaluation.final_size import size_of
from paceline.study.record.record import Record
from paceline.study.record.replay import read_record


def carried_out(task: Replayed, directory: Path) -> tuple[Record, list[FinalMeasured]]:
    carry_out(task, directory)
    store = StudyStore(directory, writable=False)
    measured = [one.event for one in store.events() if isinstance(one.event, FinalMeasured)]
    store.close()
    return read_record(directory), measured


@settings(max_examples=8, deadline=None)
@given(
    trials=st.integers(2, 40),
    epochs=st.integers(1, 12),
    times=st.sampled_from([1, 1, 3]),
    in_order=st.booleans(),
    schedule=st.sampled_from(["full", "asha", "median", "halving"]),
)
def test_it_costs_no_more_than_the_search(
    trials: int, epochs: int, times: int, in_order: bool, schedule: str
) -> None:
    task = Replayed(trials, epochs, schedule, times, in_order=in_order)
    with TemporaryDirectory() as directory:
        record, measured = carried_out(task, Path(directory) / "study")
    searched = record.all_trials()
    final = record.final
    if final is None:
        assert not measured
        assert not task.refit_epochs
        assert any(
            "There is no final" in note and "final=8 would" in note
            for note in record.notes_of_final
        )
        return
    assert final.num_pairs >= 3
    of_epochs = sum(event.epoch or 0 for event in measured) + sum(task.refit_epochs)
    assert of_epochs <= times * sum(len(trial.measurements) for trial in searched)
    refit = sum(task.refit_epochs) * float(record.trials[final.winner or 0].config["slow"])
    if not in_order:
        assert (
            sum(event.seconds for event in measured) + refit
            <= sum(trial.seconds for trial in searched) + 1e-6
        )
    assert record.best_of_search is not None
    assert record.best_of_search.number in final.finalists


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([10, 10**4, 10**7]), st.sampled_from([16, 256]), st.integers(1, 9)
        ),
        min_size=2,
        max_size=30,
    )
)
def test_large_networks_count_for_more(networks: list[tuple[int, int, int]]) -> None:
    """Where the clock may not decide, their sizes and numbers of steps do."""
    task = Replayed(len(networks), 9)
    events: list[Event] = [task.created, SpaceChanged(SPACE.to_json())]
    for number, (parameters, batch, epochs) in enumerate(networks):
        config = {"rate": number / 100, "slow": 1.0, "batch_size": batch}
        events += [
            TrialAsked(number, config, 0, 9, "random"),
            TrialStarted(number, "p", config, None, parameters),
        ]
        events += [
            EpochMeasured(number, epoch, {LOSS.metric: 0.5}, epoch)
            for epoch in range(1, epochs + 1)
        ]
        events.append(TrialEnded(number, TrialState.COMPLETED, 1.0 / (1 + parameters), epochs, ""))
    size = size_of(Record.of(events), task, range(len(networks)), None)
    work = [(parameters + 5000) / batch * epochs for parameters, batch, epochs in networks]
    own = [work[number] for number in size.finalists]
    assert size.pairs * sum(own) + 1.25 * max(own, default=0) <= sum(work) * (1 + 1e-6)


def test_fewer_pairs_come_before_fewer_finalists(tmp_path: Path) -> None:
    sizes = {}
    for trials in (3, 5, 10, 25, 90):
        record, _ = carried_out(Replayed(trials, 5), tmp_path / str(trials))
        sizes[trials] = (
            (0, 0)
            if record.final is None
            else (len(record.final.finalists), record.final.num_pairs)
        )
    assert sizes == {3: (0, 0), 5: (1, 3), 10: (2, 4), 25: (7, 3), 90: (8, 8)}


def test_it_says_what_is_left_unsure_and_what_more_would_take(tmp_path: Path) -> None:
    record, _ = carried_out(Replayed(10, 5), tmp_path / "study")
    assert record.notes_of_final == [
        "So that the final costs no more than the search, it trains 2 finalists 4 times each.",
        "Intervals are about 1.9 times as wide as with 8, so more are tied.",
        "Whether one of the next 6 best is better is not known.",
        "final=8 would train 8 finalists 8 times each: 320 epochs, 6.4 times those of the search.",
    ]


@pytest.mark.parametrize("final", [3, 8])
def test_a_number_is_taken_as_it_is(tmp_path: Path, final: int) -> None:
    record, _ = carried_out(Replayed(10, 5, final=final), tmp_path / "study")
    assert record.final is not None
    assert (len(record.final.finalists), record.final.num_pairs) == (8, final)
    assert record.notes_of_final == []
