"""The work of a study of networks as a message: its build function, data and options."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from paceline.core import InvalidInput, Objective
from paceline.core.texts import on_one_line
from paceline.execute.base import TrainingConfig
from paceline.execute.engines.messages import Array, ArrayList
from paceline.execute.process_worker import by_value, find, importable, pickled
from paceline.execute.work import NetworkWork
from paceline.space import Discovery, Observation, Space, hyperparameter_from_json

Json = Any


def encoded_work(work: NetworkWork, has_same_main: bool) -> tuple[dict[str, Json], list[Array]]:
    """The content and the arrays of a message with some work.

    Args:
        work: the work.
        has_same_main: whether engines run the script of this process as their main module.

    Raises:
        InvalidInput: the build function, or data that arrive in batches, cannot be copied.
    """
    arrays = ArrayList()
    content = {
        "build": _encoded_build(work.build, has_same_main, arrays),
        "data": _encoded_data(work.data, arrays),
        "options": asdict(work.options),
        "space": work.space.to_json(),
        "loop_names": sorted(work.loop_names),
        "backend": work.backend,
        "structural": dict(work.structural),
        "discovery": None if work.discovery is None else _encoded_discovery(work.discovery),
        "one_by_one": work.one_by_one,
        "num_configs": work.num_configs,
        "num_repeats": work.num_repeats,
        "callbacks": _encoded_callbacks(work.callbacks, arrays),
    }
    return content, arrays.all


def decoded_work(content: Mapping[str, Json], arrays: Sequence[Array]) -> NetworkWork:
    """The inverse of `encoded_work`; imports the build function.

    Raises:
        Exception: whatever the import raises.
    """
    options = dict(content["options"])
    objective = Objective(**options.pop("objective"))
    discovery = content["discovery"]
    return NetworkWork(
        _decoded_build(content["build"], arrays),
        _decoded_data(content["data"], arrays),
        TrainingConfig(objective, **options),
        Space.from_json(content["space"]),
        loop_names=frozenset(content["loop_names"]),
        backend=content["backend"],
        structural=content["structural"],
        discovery=None if discovery is None else _decoded_discovery(discovery),
        one_by_one=content["one_by_one"],
        num_configs=content["num_configs"],
        num_repeats=content["num_repeats"],
        callbacks=_decoded_callbacks(content["callbacks"], arrays),
    )


# -- the build function


def _encoded_build(build: Callable[..., Any], has_same_main: bool, arrays: ArrayList) -> Json:
    """Its module and name, or else the place of its value."""
    import numpy as np

    load = importable(build, has_same_main)
    if isinstance(load, partial) and load.func is find:
        return {"name": list(load.args)}
    value = pickle.dumps(load)
    return {"value": arrays.add(np.frombuffer(value, np.uint8))}


def _decoded_build(content: Mapping[str, Json], arrays: Sequence[Array]) -> Callable[..., Any]:
    if "name" in content:
        return find(*content["name"])
    load: Callable[[], Callable[..., Any]] = pickle.loads(arrays[content["value"]].tobytes())
    return load()


# -- Keras callbacks


def _encoded_callbacks(callbacks: Sequence[Any], arrays: ArrayList) -> Json:
    """The place of their value; None if there are none."""
    import numpy as np

    if not callbacks:
        return None
    names = ", ".join(type(one).__name__ for one in callbacks)
    value = by_value(tuple(callbacks), f"callbacks ({names})")
    return arrays.add(np.frombuffer(value, np.uint8))


def _decoded_callbacks(place: Json, arrays: Sequence[Array]) -> Sequence[Any]:
    return () if place is None else pickle.loads(arrays[place].tobytes())


# -- data


def _encoded_data(data: Any, arrays: ArrayList) -> Json:
    """The data; objects that occur several times keep their identity."""
    from paceline.train.array_feed import PooledData
    from paceline.train.stream_feed import StreamFeed

    sequence = data if isinstance(data, Sequence) else (data,)
    if isinstance(data, StreamFeed):
        return {"stream": _encoded_stream(data, arrays)}
    different = list({id(one): one for one in sequence}.values())
    encoded: list[Json] = []
    for one in different:
        own = {"train": _tree(one.train, arrays), "validation": _tree(one.validation, arrays)}
        if isinstance(one, PooledData):
            own["splits"] = [
                [number, *(arrays.add(part) for part in rows)]
                for number, rows in one.splits.items()
            ]
        encoded.append(own)
    places = [next(i for i, one in enumerate(different) if one is own) for own in sequence]
    return {"all": encoded, "places": places if isinstance(data, Sequence) else None}


def _encoded_stream(feed: Any, arrays: ArrayList) -> Json:
    """The place of a stream by value: each engine reads batches of its own.

    Raises:
        InvalidInput: it cannot be copied.
    """
    import numpy as np

    for source in feed.sources.values():
        try:
            pickled(source)
        except Exception as error:  # whatever the dataset's own way of being pickled raises
            why = f"{type(error).__name__}: {error}"
            if isinstance(error, InvalidInput):
                why = error.passed
            raise InvalidInput(
                f"data is the stream {source.name}, which cannot be copied to the engines of the "
                f"executor ({on_one_line(why)})",
                expected="a function that returns the batches, which each engine calls "
                "(data=batches, validation=other_batches), a folder, or a keras.utils.PyDataset "
                "that can be copied",
                fix="Or leave out executor=: then a stream is read in this process.",
            ) from error
    return arrays.add(np.frombuffer(pickled(feed), np.uint8))


def _decoded_data(content: Mapping[str, Json], arrays: Sequence[Array]) -> Any:
    from paceline.train.array_feed import PooledData, TrainingData

    if "stream" in content:
        return pickle.loads(arrays[content["stream"]].tobytes())
    found: list[Any] = []
    for one in content["all"]:
        train, validation = (_grown(one[name], arrays) for name in ("train", "validation"))
        if "splits" in one:
            splits = {
                number: (arrays[first], arrays[second]) for number, first, second in one["splits"]
            }
            found.append(PooledData(train, validation, splits))
        else:
            found.append(TrainingData(train, validation))
    places = content["places"]
    return found[0] if places is None else [found[place] for place in places]


def _tree(tree: Any, arrays: ArrayList) -> Json:
    """A tree of arrays as JSON: lists begin with the kind of the node."""
    if tree is None:
        return None
    if isinstance(tree, Mapping):
        return ["dict", [[key, _tree(value, arrays)] for key, value in tree.items()]]
    if isinstance(tree, list | tuple):
        kind = "list" if isinstance(tree, list) else "tuple"
        return [kind, [_tree(one, arrays) for one in tree]]
    return arrays.add(tree)


def _grown(tree: Json, arrays: Sequence[Array]) -> Any:
    """The inverse of `_tree`."""
    if tree is None:
        return None
    if isinstance(tree, int):
        return arrays[tree]
    kind, parts = tree
    if kind == "dict":
        return {key: _grown(value, arrays) for key, value in parts}
    grown = [_grown(one, arrays) for one in parts]
    return grown if kind == "list" else tuple(grown)


# -- the space


def _encoded_discovery(discovery: Discovery) -> Json:
    return {
        "space": discovery.space.to_json(),
        "builds": discovery.builds,
        "declared": [h.to_json() for h in discovery.declared],
        "observations": [encoded_observation(one) for one in discovery.observations],
        "complete": discovery.complete,
    }


def _decoded_discovery(content: Json) -> Discovery:
    """A discovery, without the conditions that were inferred: nothing here shows them."""
    return Discovery(
        Space.from_json(content["space"]),
        content["builds"],
        (),
        tuple(map(hyperparameter_from_json, content["declared"])),
        tuple(map(decoded_observation, content["observations"])),
        content["complete"],
    )


def encoded_observation(observation: Observation) -> Json:
    """What a build has used, as JSON types."""
    return {
        "config": dict(observation.config),
        "error": observation.error,
        "asked": dict(observation.asked),
    }


def decoded_observation(content: Json) -> Observation:
    """The inverse of `encoded_observation`."""
    return Observation(content["config"], content["error"], content["asked"])
