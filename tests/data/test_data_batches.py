"""Data in batches: in memory where every pass gives the same rows and they fit, else streams."""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline import data as paceline_data
from paceline.core import InvalidInput, PacelineError
from paceline.data import Dataset, Stream, loading, split
from paceline.data.batch_loading import LoadingOptions
from paceline.data.row_digests import row_digests

load: Any = paceline_data.load  # its results are of two types
load_dataset: Any = loading.load_dataset
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(21, 3)).astype("float32"), np.arange(21) % 2
Batch = tuple[Any, ...]
PASSES = itertools.count()


def in_batches(*arrays: Any, size: int = 8) -> Iterator[Batch]:
    for start in range(0, len(arrays[0]), size):
        yield tuple(array[start : start + size] for array in arrays)


def plain() -> Iterator[Batch]:
    return in_batches(X, Y)


def shuffled() -> Iterator[Batch]:
    order = np.random.default_rng().permutation(21)
    return in_batches(X[order], Y[order])


def augmented() -> Iterator[Batch]:
    return in_batches(X + np.random.default_rng().normal(size=X.shape), Y)


def sampled() -> Iterator[Batch]:
    start = next(PASSES) % 5  # other rows in each pass
    return in_batches(X[start : start + 16], Y[start : start + 16])


class Loader:
    """Stands for any iterable of batches."""

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[Batch]:
        return shuffled()


def torch_class(name: str, **members: Any) -> Any:
    """A class that is recognised as one of PyTorch's; its objects give what PyTorch's do."""
    return type(name, (), {"__module__": "torch.utils.data.dataset", **members})


class Tensor:
    """What is used of a tensor of PyTorch."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)

    def detach(self) -> "Tensor":
        return self

    def cpu(self) -> "Tensor":
        return self

    def numpy(self) -> Any:
        return self.array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array


def test_batches_that_fit_are_loaded_with_their_size() -> None:
    loaded = load(plain)
    assert isinstance(loaded, Dataset)
    np.testing.assert_array_equal(loaded.x, X)
    np.testing.assert_array_equal(loaded.y, Y)
    assert loaded.batch_size == 8
    assert loaded.notes[0] == (
        "21 rows (under 0.1 MiB) of the generator plain were loaded into memory; they are "
        "shuffled anew in each epoch."
    )
    assert load(lambda: plain()).batch_size == 8
    assert split(loaded, validation=0.2).x_val.shape == (4, 3)


@pytest.mark.parametrize("source", [shuffled, Loader()])
def test_rows_in_another_order_in_each_pass_give_the_same_data_set(source: Any) -> None:
    first, second = load(source), load(source)
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(np.sort(first.x, axis=0), np.sort(X, axis=0))
    pairs = {(*row, label) for row, label in zip(X.tolist(), Y.tolist(), strict=True)}
    assert {
        (*row, label) for row, label in zip(first.x.tolist(), first.y.tolist(), strict=True)
    } == pairs


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (augmented, "since a second pass gives other rows"),
        (sampled, "since a second pass gives other rows"),
        (lambda: iter([(X[:8], Y[:8]), (X[8:9], Y[8:9]), (X[9:], Y[9:])]), "numbers of rows"),
        (lambda: iter([(X[:8], Y[:8]), (X[8:16, :2], Y[8:16])]), r"a row \(\(3,\) and \(2,\)\)"),
        (lambda: iter([(X, Y, np.ones((21, 2)))]), "its weights are not one number"),
        (lambda: iter([(X,)]), r"no targets \(a batch is x alone, not \(x, y\)\)"),
        (lambda: iter([X]), r"no targets \(a batch is x alone, not \(x, y\)\)"),
    ],
)
def test_what_would_not_be_the_same_in_memory_is_streamed(source: Any, why: str) -> None:
    stream = load(source)
    assert isinstance(stream, Stream)
    assert re.search(why, stream.notes[0])
    with pytest.raises(InvalidInput, match="in_memory is True and the generator"):
        load(source, in_memory=True)


def test_what_does_not_fit_is_streamed() -> None:
    large = LoadingOptions(memory=lambda: 100)
    stream = load_dataset(Loader(), loading=large)
    assert isinstance(stream, Stream)
    assert stream.num_batches == 3
    assert "since it has more than under 0.1 MiB, which is 25% of the free" in stream.notes[0]
    assert isinstance(load_dataset(Loader(), in_memory=True, loading=large), Dataset)
    with pytest.raises(InvalidInput, match="the number of batches in an epoch is not known"):
        load_dataset(plain, loading=large)  # it may have no end
    assert load_dataset(plain, loading=replace(large, steps=2)).num_batches is None
    asked = load(plain, in_memory=False)
    assert isinstance(asked, Stream)
    assert [len(asked.source[place][1]) for place in (0, 1, 2)] == [8, 8, 5]


def test_a_pass_of_a_stream_begins_with_batch_0_and_after_the_last_one() -> None:
    source = load(plain, in_memory=False).source
    first = [source[place][0][0, 0] for place in (0, 0, 1, 2, 3, 4, 0)]
    starts = [X[row, 0] for row in (0, 0, 8, 16, 0, 8, 0)]
    assert first == starts


def test_a_generator_is_loaded_or_consumed_by_steps() -> None:
    loaded = load(plain())
    assert isinstance(loaded, Dataset)
    assert loaded.num_rows == 21
    by_steps = load_dataset(plain(), loading=LoadingOptions(steps=2))
    assert by_steps.num_batches is None
    # the first batch is looked at, and is the first of the training; another training goes on
    rows = [by_steps.source[place][0][0, 0] for place in (0, 0, 1, 0)]
    assert rows == [X[row, 0] for row in (0, 0, 8, 16)]
    with pytest.raises(InvalidInput, match="ended after 3 batches and can be read once only"):
        by_steps.source[1]
    with pytest.raises(InvalidInput, match="can be read once only, and the number of batches"):
        load_dataset(plain(), loading=LoadingOptions(memory=lambda: 100))


def test_weights_dicts_several_outputs_and_bytes() -> None:
    images, weight = RNG.integers(0, 255, (21, 4, 4), np.uint8), np.linspace(0.1, 2, 21)

    def source() -> Iterator[Batch]:
        for image, x, y, own in in_batches(images, X, Y, weight):
            yield {"image": image, "row": x}, [y, x[:, 0]], own

    loaded = load(source)
    assert loaded.x["image"].dtype == np.uint8
    np.testing.assert_array_equal(loaded.x["row"], X)
    np.testing.assert_array_equal(loaded.y[0], Y)
    np.testing.assert_allclose(loaded.sample_weight, weight, rtol=1e-6)
    with pytest.raises(InvalidInput, match="sample_weight is given and the data have weights"):
        load(source, sample_weight=weight)
    np.testing.assert_allclose(load((X, Y, weight)).sample_weight, weight, rtol=1e-6)


def test_validation_and_test_data_in_batches() -> None:
    loaded = load((X, Y), test=plain)
    np.testing.assert_array_equal(loaded.x_test, X)
    parts = split(loaded, validation=(X[:4], Y[:4], np.arange(1, 5)))
    np.testing.assert_array_equal(parts.sample_weight_val, [1, 2, 3, 4])
    with pytest.raises(InvalidInput, match="test is generator augmented, which can only be stre"):
        load((X, Y), test=augmented)


def test_loaders_and_data_sets_of_pytorch() -> None:
    def batches(_: Any) -> Iterator[Any]:
        return ([Tensor(x), Tensor(y)] for x, y in plain())

    loader = torch_class("DataLoader", __iter__=batches, __len__=lambda _: 3)()
    np.testing.assert_array_equal(load(loader).x, X)
    rows = {"__getitem__": lambda _, row: (Tensor(X[row]), Y[row]), "__len__": lambda _: 21}
    by_row = load(torch_class("Dataset", **rows)())
    np.testing.assert_array_equal(by_row.x, X)
    assert by_row.batch_size is None
    tensors = torch_class("Dataset", tensors=(Tensor(X), Tensor(Y)))()
    np.testing.assert_array_equal(load(tensors).y, Y)
    random = {**rows, "__getitem__": lambda _, row: (X[row] + RNG.normal(), Y[row])}
    stream = load(torch_class("Dataset", **random)())
    assert isinstance(stream, Stream)
    assert "since its rows differ each time" in stream.notes[-1]


def test_dicts_name_their_target() -> None:
    def source() -> Iterator[Any]:
        for x, y in plain():
            yield {"x": x, "label": y}

    np.testing.assert_array_equal(load(source, target="label").y, Y)
    with pytest.raises(InvalidInput, match="has no 'lable'; expected target among 'x', 'label'"):
        load(source, target="lable")
    with pytest.raises(InvalidInput, match="target is 'label' and the generator plain gives"):
        load(plain, target="label")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: iter([]), "has no batches; expected at least one"),
        (lambda: iter([(X, Y, Y, Y)]), "gives tuples of 4; expected"),
        (lambda: iter([(X, Y[:3])]), "arrays of 3, 21 rows"),
        (lambda: iter([(np.asarray(["a", "b"]), Y[:2])]), "a batch has an array of <U1"),
        (lambda: 5, "which returns a int; expected a function that returns an iterator"),
    ],
)
def test_what_is_no_batch_is_refused(source: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load(source)


def test_an_error_of_the_source_names_it() -> None:
    def breaks() -> Iterator[Batch]:
        yield X[:8], Y[:8]
        raise OSError("the share is not mounted")

    with pytest.raises(PacelineError, match=r"The generator breaks failed \(OSError: the share is"):
        load(breaks)
    with pytest.raises(PacelineError, match="missing 1 required positional argument"):
        load(lambda number: plain())


def test_arrays_are_not_streamed() -> None:
    with pytest.raises(InvalidInput, match="in_memory is False and data is in memory"):
        load((X, Y), in_memory=False)


@given(st.integers(1, 3), st.sampled_from(["uint8", "float32", "int64", "bool"]), st.randoms())
def test_digests_are_those_of_rows(width: int, dtype: str, random: Any) -> None:
    rows = np.array([[random.randrange(3) for _ in range(width)] for _ in range(12)]).astype(dtype)
    labels = np.array([random.randrange(2) for _ in range(12)])
    digests = row_digests((rows, labels))
    order = np.array(random.sample(range(12), 12))
    np.testing.assert_array_equal(row_digests((rows[order], labels[order])), digests[order])
    for one in range(12):
        for other in range(12):
            same = np.array_equal(rows[one], rows[other]) and labels[one] == labels[other]
            assert (digests[one] == digests[other]) == same


def test_digests_differ_where_signs_do() -> None:
    flipped = X.copy()
    flipped[:, :2] *= -1
    assert not np.isin(row_digests((flipped,)), row_digests((X,))).any()
