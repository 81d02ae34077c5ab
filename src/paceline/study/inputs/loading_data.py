"""Loads a study's data, before they are divided."""

from collections.abc import Mapping
from typing import Any

from paceline.core import InvalidInput
from paceline.core.events import Json
from paceline.data import Dataset, Stream
from paceline.data.batch_loading import LoadingOptions
from paceline.data.loading import load_dataset
from paceline.data.opening import opened
from paceline.data.records import RULE
from paceline.networks import BuiltInNetwork
from paceline.settings.training import TrainingSettings

_OF_SPLIT = ("standardize", "scale_target")  # data options that `load` does not have


def rule_of(recorded: Mapping[str, Json] | None) -> int:
    """The version of the data preparation of a study, from its record; None for a new study."""
    if recorded is None:
        return RULE
    kept = recorded.get("preparation")
    return 1 if kept is None else int(kept["rule"])


def load_data(
    data: Any,
    options: Mapping[str, Any],
    seed: int,
    recorded: Mapping[str, Json] | None,
    training: TrainingSettings,
    *,
    is_streamed: bool = False,
    network: BuiltInNetwork | None = None,
) -> Dataset | Stream:
    """Loads the data set; raises what `paceline.data.load` raises.

    Args:
        data: as the user passed them.
        options: the user's data options.
        seed: that of the study.
        recorded: the existing study's description of its data; None for a new study. Data in
            batches that were in memory, or streamed, are so again.
        training: the settings of training.
        is_streamed: whether to stream them if possible.
        network: the built-in network for which they are; None for a build function.
    """
    of_load = {name: value for name, value in options.items() if name not in _OF_SPLIT}
    if recorded is not None and of_load.get("texts") is None and not _has_texts(recorded):
        of_load["texts"] = "off"  # studies of earlier versions left them out
    reads_tokens = network is not None and network.reads_tokens
    loading = LoadingOptions(
        False if is_streamed else _was_in_memory(recorded),
        training.steps_per_epoch,
        rows=training.batch_size or 32,
        is_coded=network is not None and network.reads_codes,
        texts="sequences" if reads_tokens else "tfidf",
        texts_alone=reads_tokens,
    )
    return load_dataset(data, seed=seed, **of_load, rule=rule_of(recorded), loading=loading)


def open_validation(
    given: Any,
    recorded: Mapping[str, Json] | None,
    training: TrainingSettings,
    target: Any = None,
) -> Any:
    """Validation data in batches as arrays or as a stream; anything else unchanged.

    Args:
        given: as the user passed them.
        recorded, training: as in `load_data`.
        target: the column of the target, if the data have named columns.

    Raises:
        InvalidInput: batches that cannot be used.
    """
    rows = training.validation_batch_size or training.batch_size or 32
    in_memory = False if _was_in_memory(recorded) is False else None
    options = LoadingOptions(in_memory, training.validation_steps, rows=rows, target=target)
    return opened(given, options)


def as_stream(
    dataset: Dataset | Stream,
    data: Any,
    options: Mapping[str, Any],
    seed: int,
    recorded: Mapping[str, Json] | None,
    training: TrainingSettings,
) -> Stream:
    """The training data as a stream, since the validation data are one.

    Args:
        dataset: the training data as loaded.
        data, options, seed, recorded, training: as in `load_data`.

    Raises:
        InvalidInput: they are arrays.
    """
    if isinstance(dataset, Dataset) and not isinstance(data, Dataset):
        dataset = load_data(data, options, seed, recorded, training, is_streamed=True)
    if isinstance(dataset, Dataset):
        raise InvalidInput(
            "validation can only be streamed, and the training data are in memory",
            expected="validation data in memory, or both in batches",
            fix="Pass validation=(x_val, y_val) or a fraction.",
        )
    return dataset


def _has_texts(recorded: Mapping[str, Json]) -> bool:
    columns = (recorded.get("preparation") or {}).get("columns", ())
    return any(column["kind"] in ("tfidf", "sequences") for column in columns)


def _was_in_memory(recorded: Mapping[str, Json] | None) -> bool | None:
    return None if recorded is None else "batches" not in recorded
