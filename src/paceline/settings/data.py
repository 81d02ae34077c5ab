"""Settings of the data: which they are, and how they are read and divided."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from paceline.core.checks import path
from paceline.settings.rules import (
    Change,
    FromMemory,
    Group,
    Terminal,
    flag,
    optional_flag,
    setting,
    unchecked,
)
from paceline.settings.typed import fraction_or_path, text_modes, typed_text_modes


class DataOptions(TypedDict, total=False):
    """Options of `paceline.tune` about the data; those of `paceline.data.load` and `split`."""

    target: str | int | None
    """Name or number of the column to predict, for tables."""
    data_dir: str | os.PathLike[str] | None
    """Folder that is searched for named data sets before they are downloaded."""
    test: Any
    """The test part: a fraction of the rows, a file, or ``(x_test, y_test)``; ``"auto"`` is the
    data set's own, or else a fifth of the rows.
    """
    sample_weight: Any
    """The weight of each row in the loss, or the name of a table's column."""
    task: Literal["classification", "regression"] | None
    """Kind of the target; None derives it from the target's type."""
    groups: Any
    """The group of each row (a patient, a user, a site), including the rows of a test part that is
    drawn, or the name of a table's column. Rows of one group stay together in every split: test
    part, validation, folds, repeats and the final.
    """
    decimal: Literal[".", ","] | None
    """Decimal mark in a CSV file; None detects it."""
    shuffle: bool
    """False if rows are in the order of time: the test part is then the last rows, and the
    validation part the last ones before it.
    """
    standardize: bool | None
    """Whether inputs are shifted and scaled; None: those of tables. See `paceline.data.split`."""
    in_memory: bool | None
    """Whether data that arrive in batches (``tf.data``, generators, ``DataLoader``, image folders)
    are loaded into memory; None: if they take at most a quarter of the free memory, and a second
    pass over them gives the same rows. False streams them, which requires validation data and uses
    their batch size.
    """
    texts: str | Mapping[str, str] | None
    """How the text columns of a table are encoded: ``"tfidf"`` (the default, None, but for the
    built-in networks ``"lstm"`` and ``"transformer"``), a weight for each frequent word;
    ``"sequences"``, the numbers of the words in order, as an ``Embedding`` takes them; ``"off"``,
    not at all. A dict by column also applies to columns that would be categories or names. The
    vocabulary is fitted to the training part and is part of the model.
    """
    scale_target: bool | None
    """Whether a regression target is scaled for training (metrics are in its own unit in any case);
    None: if it is far from 0 ± 1 and the model can learn it scaled.
    """


def _source(_: str, value: Any) -> str | FromMemory | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        return FromMemory(_kind(value))
    if str(value).startswith("folder:"):
        from paceline.data.image_folders import absolute

        return absolute(str(value))
    file = Path(value).expanduser()
    return str(file.resolve()) if file.exists() else str(value)


def _option(_: str, value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, os.PathLike):
        return str(Path(value).expanduser().resolve())
    return FromMemory(_kind(value))


def _texts(_: str, value: Any) -> Any:
    from paceline.data.texts import checked_modes

    return checked_modes(value)


def _directory(name: str, value: Any) -> str | None:
    return None if value is None else str(path(name, value).expanduser().resolve())


def _kind(value: Any) -> str:
    return "arrays" if isinstance(value, tuple | list) else f"a {type(value).__name__}"


def _both(one: Any, other: Any) -> bool:
    """Whether both or neither are given; the groups themselves are compared by fingerprint."""
    return (one is None) == (other is None)


def _same(one: Any, other: Any) -> bool:
    """Whether two values agree. What was passed from memory is compared by the data's fingerprint;
    studies of format 2 did not store that there was something.
    """
    return isinstance(one, FromMemory) or isinstance(other, FromMemory) or bool(one == other)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings(Group):
    """Which data, and how they are read and divided; see `DataOptions`.

    Attributes:
        source: a name or an absolute path; None for a function without data. The data themselves
            are identified by their fingerprint.
    """

    source: str | FromMemory | None = setting(
        None, _source, Change.SILENT, argument="data", terminal=Terminal(flags="--data")
    )
    target: str | int | None = setting(
        None,
        unchecked,
        terminal=Terminal(
            help="The column to predict, for CSV and Parquet files.", metavar="COLUMN"
        ),
    )
    data_dir: str | None = setting(
        None,
        _directory,
        Change.SILENT,
        terminal=Terminal(Path, "Where to look for named data sets before any download."),
    )
    test: Any = setting(
        "auto",
        _option,
        same=_same,
        terminal=Terminal(
            help="The test part: a fraction of the rows, or a file.", parse=fraction_or_path
        ),
    )
    sample_weight: str | FromMemory | None = setting(None, _option, same=_same)
    task: str | None = setting(
        None,
        unchecked,
        terminal=Terminal(
            help="classification or regression.",
            default="as the target's type says",
        ),
    )
    groups: str | int | FromMemory | None = setting(
        None,
        _option,
        same=_both,
        terminal=Terminal(
            help="The column whose groups stay together in every division of rows.",
            metavar="COLUMN",
        ),
    )
    decimal: str | None = setting(
        None,
        unchecked,
        terminal=Terminal(
            help="What stands before the fraction in a CSV file: , or .",
            metavar="MARK",
            default="found",
        ),
    )
    shuffle: bool = setting(
        True,
        flag,
        terminal=Terminal(
            bool,
            "Draw test and validation rows at random, or take the last ones.",
            flags="--shuffle/--no-shuffle",
            default="draw",
        ),
    )
    standardize: bool | None = setting(
        None,
        optional_flag,
        terminal=Terminal(
            bool,
            "Shift and scale inputs.",
            flags="--standardize/--no-standardize",
            default="those of tables",
        ),
    )
    in_memory: bool | None = setting(
        None,
        optional_flag,
        terminal=Terminal(
            bool,
            "Load data that arrive in batches into memory, or stream them.",
            flags="--in-memory/--no-in-memory",
            default="if they fit",
        ),
    )
    texts: str | Mapping[str, str] | None = setting(
        None,
        _texts,
        terminal=Terminal(
            help="What columns of texts become: tfidf, sequences or off; or by column.",
            metavar="MODE|COLUMN=MODE,...",
            default="tfidf; sequences for lstm and transformer",
            parse=text_modes,
            write=typed_text_modes,
        ),
    )
    scale_target: bool | None = setting(
        None,
        optional_flag,
        terminal=Terminal(
            bool,
            "Learn a regression target scaled.",
            flags="--scale-target/--no-scale-target",
            default="far from 0 ± 1",
        ),
    )

    def options(self) -> dict[str, Any]:
        """The options that differ from their defaults, without objects from memory."""
        found = dict(self.non_default())
        found.pop("source", None)
        return {name: value for name, value in found.items() if not isinstance(value, FromMemory)}
