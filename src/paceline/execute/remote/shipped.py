"""The function of a study as it is sent to workers over HTTP: by name, or by value.

The worker imports a function by its module and name; other functions come as bytes of cloudpickle,
which only a server that knows the token can have sent: answers are signed. A worker runs the code
of its study in any case; that is its purpose.
"""

import json
import pickle
from collections.abc import Sequence
from functools import partial
from typing import Any

from paceline.execute.function_call import encoded
from paceline.execute.process_worker import Load, find

FUNCTION, ENGINE = "function", "engine"
"""The kinds of the first message to a worker: what its process has to be."""


def function_work(load: Load, metric: str, memory_limit: int | None) -> list[bytes]:
    """The messages that give a worker a function to call.

    Args:
        load: imports the function, as `paceline.execute.process_worker.importable` returns it.
        metric: the objective's name.
        memory_limit: bytes that a call may take; None for no limit.
    """
    if not isinstance(load, partial):
        raise TypeError(f"a function is loaded by a partial function, not by {load!r}")
    by_name = load.func is find
    module, name = load.args if by_name else ("", "")
    head = encoded(
        FUNCTION, metric=metric, memory=memory_limit, module=module, name=name, by_name=by_name
    )
    return [head] if by_name else [head, *load.args]


def is_whole(messages: Sequence[bytes]) -> bool:
    """Whether all messages with the work have arrived."""
    if not messages:
        return False
    head = json.loads(messages[0])
    return len(messages) > 1 or head["kind"] == ENGINE or bool(head["by_name"])


def loader(messages: Sequence[bytes]) -> tuple[Load, dict[str, Any]]:
    """How a new process gets the function, and the first message, of the work that has arrived.

    Nothing is imported or unpickled in this process.
    """
    head = json.loads(messages[0])
    if head["by_name"]:
        return partial(find, str(head["module"]), str(head["name"])), head
    return partial(pickle.loads, messages[1]), head
