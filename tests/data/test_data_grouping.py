"""Rows of a group stay together when a part is drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.core import InvalidInput
from paceline.data import load, split
from paceline.data.grouping import divide_groups, groups_of
from paceline.data.pool import fresh_parts


def divided(groups: Any, fraction: float = 0.2, seed: int = 0, labels: Any = None) -> Any:
    return divide_groups(
        np.asarray(groups), fraction, seed=seed, stream=1, labels=labels, what="test"
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=2, max_size=25),
    st.floats(0.05, 0.6),
    st.integers(0, 10**6),
    st.sampled_from(["none", "own", "of the group"]),
)
def test_each_row_is_in_one_part_and_each_group_too(
    sizes: list[int], fraction: float, seed: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    labels = {"none": None, "own": rng.integers(0, 3, len(groups)), "of the group": groups % 2}[
        kind
    ]
    rest, part, _ = divided(groups, fraction, seed, labels)
    assert sorted([*rest, *part]) == list(range(len(groups)))
    assert len(rest) and len(part)  # noqa: PT018
    assert not set(groups[rest]) & set(groups[part])
    assert list(rest) == sorted(rest)
    assert [one.tolist() for one in divided(groups, fraction, seed, labels)[:2]] == [
        rest.tolist(),
        part.tolist(),
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 0.5))
def test_many_small_groups_meet_the_fraction(seed: int, fraction: float) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(200), rng.integers(1, 6, 200))
    labels = (groups * 7) % 3  # each group has one class
    rest, part, notes = divided(groups, fraction, seed, labels)
    for label in range(3):
        assert abs((labels[part] == label).sum() - fraction * (labels == label).sum()) <= 3
        assert (labels[rest] == label).any()
    assert notes == ()


def test_other_seeds_draw_other_groups() -> None:
    groups = np.repeat(np.arange(20), 5)
    assert len({tuple(divided(groups, 0.2, seed)[1]) for seed in range(20)}) > 10
    assert {len(divided(groups, 0.2, seed)[1]) for seed in range(20)} == {20}


def test_deviations_are_noted() -> None:
    rest, part, notes = divided([0] * 70 + [1] * 30, 0.1)
    assert (len(rest), len(part)) == (70, 30)
    assert notes == ("The test part has 30 rows, not 10, since groups stay together.",)
    labels = np.array([0] * 70 + [1] * 30)
    assert (
        "All rows of a class are in the test part, since they belong to one group."
        in divided([0] * 70 + [1] * 30, 0.3, 0, labels)[2]
    )


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([1, 2], "shape"),
        ([[1]] * 3, "shape"),
        ([1.0, float("nan"), 2.0], "row 1"),
        (["a", None, "b"], "row 1"),
        (pd.Series([1, None, 2], dtype="Int64"), "row 1"),
    ],
)
def test_invalid_groups_are_refused(groups: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        groups_of(groups, 3)


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(InvalidInput, match="all rows belong to the group 'a'"):
        divided(["a"] * 5)


@pytest.mark.parametrize(
    "groups",
    [["a", "b", "b"], [1, 2, 2], np.array([1.5, 2.5, 2.5]), np.array([True, False, False])],
)
def test_groups_of_any_kind(groups: Any) -> None:
    found = groups_of(groups, 3)
    assert len(set(found.tolist())) == 2
    assert found[1] == found[2]


OWN = np.repeat(np.arange(30), 4)


def arrays() -> Any:
    """Inputs of which the first number says the group."""
    rng = np.random.default_rng(2)
    x = np.column_stack([OWN, rng.normal(size=120)]).astype("float32")
    return x, OWN % 3


def test_the_test_part_validation_and_fresh_parts_keep_groups_together() -> None:
    data = load(arrays(), test=0.2, groups=OWN)
    assert data.groups is not None
    assert data.groups.tolist() == data.x[:, 0].tolist()
    assert not set(data.x_test[:, 0]) & set(data.groups)
    assert len(data.x_test) == 24
    own = split(data, validation=0.25, seed=1, batch_rows=7)
    assert own.val_rows is not None
    fresh = fresh_parts(own, range(6))
    assert fresh is not None
    assert len({tuple(held_out) for _, held_out in fresh}) == 6
    for train, held_out in ((own.train_rows, own.val_rows), *fresh):
        assert not set(data.groups[train]) & set(data.groups[held_out])
        assert len(held_out) == len(own.val_rows) == 24
        assert set(data.y[held_out]) == {0, 1, 2}


def test_groups_may_be_a_column_of_a_table(tmp_path: Path) -> None:
    x, y = arrays()
    frame = pd.DataFrame({"site": [f"s{group}" for group in OWN], "size": x[:, 1], "kind": y})
    frame.to_csv(tmp_path / "table.csv", index=False)
    data = load(tmp_path / "table.csv", target="kind", task="classification", groups="site")
    assert data.groups is not None
    assert data.feature_names == ("size",)
    assert len(data.groups) == 96
    assert len(set(data.groups)) == 24  # of 30: those of the test part are others
    with pytest.raises(InvalidInput, match="no column 'place'"):
        load(frame, target="kind", groups="place")
    with pytest.raises(InvalidInput, match="groups is 'site' and the data is not a table"):
        load((x, y), groups="site")


def test_a_data_set_takes_the_groups_of_its_own_rows() -> None:
    data = load(arrays())
    found = load(data, groups=OWN)
    assert found.groups is not None
    assert found.groups.tolist() == OWN.tolist()
    assert load(found) is found
    with pytest.raises(InvalidInput, match="one group for each row"):
        load(data, groups=OWN[1:])
