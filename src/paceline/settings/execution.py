"""Settings of execution: where and with what resources trials run."""

from dataclasses import dataclass
from typing import Any, TypedDict

from paceline.settings.rules import (
    Change,
    FromMemory,
    Group,
    Terminal,
    flag,
    num_bytes,
    optional,
    seconds,
    setting,
    unchecked,
    whole,
)


class ExecutionOptions(TypedDict, total=False):
    """Options of `paceline.tune` about where trials run."""

    memory: int | str | None
    """What networks that train together may take: bytes, or a text such as ``"8GiB"``; None for
    most of what is free.
    """
    merge: bool
    """Whether networks that differ only in sizes, such as the number of units, are trained together
    as one compiled model, at the largest of these sizes. It saves compilations; scores are the same
    up to rounding. False compiles a model for each size.
    """
    executor: Any
    """Where trials run: the name of an executor, or a class of executors; see
    `paceline.execute.create`. None for Paceline's own, in this process or in ``workers``.
    """
    store: str | None
    """Where the study's record is kept: the name of a store, or its address; None for an SQLite
    database in the study's directory.
    """


class FunctionExecutionOptions(TypedDict, total=False):
    """Options of `paceline.optimize` about where the function is called."""

    time_limit: float | str | None
    """Only with ``workers`` or a pool as ``executor``: how long one trial may take, such as
    ``"15m"``. In a pool the function is interrupted at its next Python instruction.
    """
    memory_limit: int | str | None
    """Only with ``workers``: how much memory one trial may take, such as ``"2GiB"``."""
    executor: Any
    """Where trials run: any ``concurrent.futures.Executor``, such as a ProcessPoolExecutor, one of
    loky, or ``client.get_executor()`` of Dask; ``workers`` is then how many calls run at once, by
    default as many as it has workers. Or the name of an executor, or a class of executors; see
    `paceline.execute.create`. None for Paceline's own, in this process or in ``workers``.
    """
    store: str | None
    """Where the study's record is kept: the name of a store, or its address; None for an SQLite
    database in the study's directory.
    """


def _store(_: str, value: Any) -> str:
    from paceline.store import check_store

    return check_store(value)


def _executor(_: str, value: Any) -> Any:
    name = getattr(value, "__name__", type(value).__name__)
    return value if value is None or isinstance(value, str) else FromMemory(f"the executor {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSettings(Group):
    """Where and with what trials run.

    Attributes:
        executor: its name; None for the standard one.
        store: its name or address; None for the standard one.
        workers: processes that call a function; None for the process of the study.
        time_limit: seconds that one trial in a worker may take.
        memory_limit: bytes that one trial in a worker may take.
        memory: bytes that networks training together may take.
        merge: whether networks that differ only in sizes may share a compiled model.
        backend: of Keras; None of a function.
    """

    executor: str | FromMemory | None = setting(
        None, _executor, Change.SILENT, terminal=Terminal(help="The name of an executor.")
    )
    store: str | None = setting(
        None,
        optional(_store),
        Change.SILENT,
        terminal=Terminal(help="The name or address of a store.", default="SQLite"),
    )
    workers: int | None = setting(
        None,
        optional(whole()),
        Change.SILENT,
        terminal=Terminal(int, "How many processes call a function.", default="this one"),
    )
    time_limit: float | None = setting(
        None,
        optional(seconds),
        Change.SILENT,
        terminal=Terminal(
            help="How long one trial of a worker may take.",
            metavar="TIME",
            write=lambda value: f"{value:.15g}s",
        ),
    )
    memory_limit: int | None = setting(
        None,
        optional(num_bytes),
        Change.SILENT,
        terminal=Terminal(help="How much memory one trial of a worker may take, such as 2GiB."),
    )
    memory: int | None = setting(
        None,
        optional(num_bytes),
        Change.SILENT,
        terminal=Terminal(help="How much memory networks that train together may take: 8GiB."),
    )
    # it may change when a study continues, as memory may: scores change by rounding only
    merge: bool = setting(
        True,
        flag,
        Change.SILENT,
        terminal=Terminal(
            bool,
            "Train networks that differ only in sizes, such as units, as one compiled model "
            "(default). Without, each size is compiled on its own, which takes longer to start but "
            "wastes no work on padding: for few sizes, or long training of large networks.",
            flags="--merge/--no-merge",
        ),
    )
    backend: str | None = setting(None, unchecked, Change.NOTED, is_option=False)
