"""`load`: a validated `Dataset` from a name, a path, arrays, a data frame or batches."""

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar, Unpack, overload

from paceline.core import InvalidInput, checks, validates_argument_names
from paceline.data import data_folders, source_reader
from paceline.data.assembling import HeldOutDraw, assemble, with_codes
from paceline.data.batch_loading import LoadingOptions
from paceline.data.grouping import groups_of
from paceline.data.named_sets import NamedSet
from paceline.data.notation import Decimal
from paceline.data.opening import check_in_memory, open_data, opened
from paceline.data.records import RULE, Dataset, Stream, Task
from paceline.data.source_reader import Raw
from paceline.data.source_registry import provided
from paceline.data.texts import checked_modes

if TYPE_CHECKING:
    import pandas as pd

OPTIONS = (
    "target",
    "data_dir",
    "test",
    "sample_weight",
    "task",
    "decimal",
    "shuffle",
    "standardize",
    "scale_target",
    "in_memory",
    "texts",
)
"""Arguments beside the data, of `load` and `paceline.data.split`, that `tune` accepts, too."""

_TEST_FRACTION = 0.2

P = ParamSpec("P")
R = TypeVar("R")


class LoadOptions(TypedDict, total=False):
    """The named arguments of `load`, for editors; `load_dataset` has their defaults."""

    target: str | int | None
    data_dir: str | os.PathLike[str] | None
    test: Any
    seed: int
    sample_weight: Any
    groups: Any
    task: Task | None
    decimal: Decimal | None
    shuffle: bool
    in_memory: bool | None
    texts: str | Mapping[str, str] | None


def load_dataset(
    source: Any,
    *,
    target: str | int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    test: Any = "auto",
    seed: int = 0,
    sample_weight: Any = None,
    groups: Any = None,
    task: Task | None = None,
    decimal: Decimal | None = None,
    shuffle: bool = True,
    in_memory: bool | None = None,
    texts: str | Mapping[str, str] | None = None,
    loading: LoadingOptions | None = None,
    rule: int = RULE,
    sources: Mapping[str, NamedSet] | None = None,
) -> Dataset | Stream:
    """As `load`, with what a study adds.

    Args:
        source, target, data_dir, test, seed, sample_weight, groups, task, decimal, shuffle,
            in_memory, texts: as in `load`.
        loading: how batches are read.
        rule: version of the preparation, for studies of earlier versions.
        sources: further named data sets.
    """
    is_known = sources is not None and isinstance(source, str) and source in sources
    source, named = (source, None) if is_known else provided(source, data_dir)
    options = _options(loading, in_memory, target, texts)
    given, source = source, open_data(source, options)
    if in_memory is not None and source is given:
        check_in_memory(in_memory, source)
    if isinstance(source, Stream):
        return source if named is None else replace(source, name=named)
    if isinstance(source, Dataset):
        return _loaded_before(source, groups, options)
    is_opened = isinstance(source, Raw) and source is not given
    _check_reading(decimal, data_dir)
    shuffle = checks.flag("shuffle", shuffle)
    reader = source_reader.SourceReader(
        None if is_opened else target, data_dir, sources or {}, decimal, as_before=rule < RULE
    )
    raw = reader.with_test(
        _with_rows_of(reader.read(source, named), sample_weight, groups), _test(test, options)
    )
    if raw.groups is not None and not shuffle:
        raise InvalidInput(
            "groups were given and shuffle is False",
            expected="one of them: the last rows may belong to groups of earlier rows",
        )
    fraction = _TEST_FRACTION if isinstance(test, str) and raw.from_file else test
    draws = raw.y_test is None and test is not None and not isinstance(fraction, str)
    drawn = HeldOutDraw(fraction if draws else None, seed, shuffle)
    return assemble(raw, drawn, task, rule, options)


def _shows_options(function: Callable[P, R]) -> Callable[P, R]:
    """Gives a function with `LoadOptions` the signature that `load_dataset` has for them."""
    signature = inspect.signature(load_dataset)
    names = ("source", *LoadOptions.__annotations__)
    shown = [signature.parameters[name] for name in names]
    vars(function)["__signature__"] = signature.replace(parameters=shown)
    return function


@overload
def load(
    source: "str | os.PathLike[str] | tuple[Any, ...] | pd.DataFrame | Dataset",
    **options: Unpack[LoadOptions],
) -> Dataset: ...
@overload
def load(source: Any, **options: Unpack[LoadOptions]) -> Dataset | Stream: ...
@validates_argument_names()
@_shows_options
def load(source: Any, **options: Unpack[LoadOptions]) -> Dataset | Stream:
    """Loads a data set from a name, a path, arrays, a data frame, or batches.

    Args:
        source: one of
            a name: ``"digits"`` (comes with scikit-learn), ``"mnist"``, ``"fashion_mnist"``,
            ``"kmnist"``, ``"california_housing"``, or that of a folder of idx files in a data
            folder;
            a path: a folder of idx files, an ``.npz``, ``.csv``, ``.csv.gz`` or ``.parquet`` file;
            arrays: ``(x, y)``, ``(x, y, sample_weight)``, ``(x, y, x_test, y_test)`` or
            ``((x, y), (x_test, y_test))``, where x and y may be dicts or lists of arrays for
            several inputs and outputs (a pair of pairs is always training and test set), or x a
            pandas data frame; a pandas data frame with the column ``target``;
            batches: a ``tf.data.Dataset``, a PyTorch ``DataLoader`` or ``Dataset``, a function that
            returns an iterator of batches ``(x, y)`` or ``(x, y, sample_weight)``, a generator, or
            another iterable of batches: loaded into memory where they fit and a second pass gives
            the same rows, otherwise a `Stream`; a ``keras.utils.PyDataset``, always a `Stream`;
            a `Dataset`, which is returned unchanged.
        target: the column to predict, for tables.
        data_dir: where to look for named data sets first; then the environment variable
            ``PACELINE_DATA``, then the user's cache, into which missing ones are downloaded.
        test: the test set: ``"auto"`` (the source's own; without one, 20 % of the rows of files and
            named sets, stratified, and none of data in memory), a fraction of the rows,
            ``(x_test, y_test)``, the path of a table, or None for no test set.
        seed: of the rows drawn for the test set.
        sample_weight: one number for each row of x, or the name of a table's column.
        groups: of each row of x (a patient, a user, a site), or the name of a table's column: all
            rows of a group are in the same of training, validation and drawn test set.
        task: ``"classification"`` or ``"regression"``; None to decide by the target's type (texts,
            booleans and integers are classes, floats are regression targets).
        decimal: the decimal mark of a table's numbers, ``","`` or ``"."``; None to detect it.
        shuffle: whether the test set is drawn at random; False for the last rows, as for rows in
            the order of time.
        in_memory: whether batches are loaded into memory; None where they take at most a quarter of
            the free memory.
        texts: what columns of texts become: ``"tfidf"`` (the default) for numbers that weigh their
            words, ``"sequences"`` for the numbers of their words in order, as an ``Embedding``
            takes them, or ``"off"`` to leave them out; a dict by column says it also for columns
            that would be categories or names. See `paceline.data.texts`.

    Raises:
        MissingData: an unknown name, a file that does not exist, a failed download.
        InvalidInput: anything in the data that cannot be trained on; says what, where and how
            often.
    """
    return load_dataset(source, **options)


def _loaded_before(dataset: Dataset, groups: Any, options: LoadingOptions) -> Dataset:
    """A data set that was passed, with its categories and groups as asked for."""
    dataset = with_codes(dataset) if options.is_coded else dataset
    return dataset if groups is None or dataset.groups is not None else with_groups(dataset, groups)


def _check_reading(decimal: Any, data_dir: Any) -> None:
    """Checks the options of reading files."""
    if decimal not in (None, ".", ","):
        raise InvalidInput(f"decimal is {decimal!r}", expected="',' or '.'")
    if data_dir is not None:
        data_folders.existing("data_dir", checks.path("data_dir", data_dir).expanduser())


def _options(
    loading: LoadingOptions | None, in_memory: Any, target: Any, texts: Any
) -> LoadingOptions:
    """How data of other libraries, and texts, are read."""
    options = replace(loading or LoadingOptions(), target=target)
    modes = checked_modes(texts)
    if modes is not None:
        options = replace(options, texts=modes)
    if in_memory is None:
        return options
    return replace(options, in_memory=checks.flag("in_memory", in_memory, also=", or nothing"))


def _with_rows_of(raw: Raw, sample_weight: Any, groups: Any) -> Raw:
    """Data with the weight and the group of each row, as passed or from a column."""
    if isinstance(sample_weight, str):
        raw, sample_weight = source_reader.take_column(raw, sample_weight, "sample_weight")
    if isinstance(groups, str):
        raw, groups = source_reader.take_column(raw, groups, "groups")
    if sample_weight is None:
        return replace(raw, groups=groups)
    if raw.sample_weight is not None:
        raise InvalidInput(
            "sample_weight is given and the data have weights of their own",
            expected="one of them",
        )
    return replace(raw, sample_weight=sample_weight, groups=groups)


def _test(given: Any, options: LoadingOptions) -> Any:
    """The test set as the user passed it, in memory."""
    found = opened(given, replace(options, in_memory=None, steps=None))
    if isinstance(found, Stream):
        raise InvalidInput(
            f"test is {found.name}, which can only be streamed, and the training data are in "
            "memory",
            expected="a test set in memory, or both in batches",
        )
    return found


def with_groups(dataset: Dataset, groups: Any) -> Dataset:
    """A data set with the group of each of its rows outside the test set.

    Raises:
        InvalidInput: not one for each of these rows.
    """
    return replace(dataset, groups=groups_of(groups, dataset.num_rows))
