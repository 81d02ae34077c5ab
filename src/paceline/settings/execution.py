"""Settings of execution: where and with what resources trials run."""

from dataclasses import dataclass
from typing import Any, TypedDict

from paceline.core import InvalidInput, checks, shown
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


class PlacementOptions(TypedDict, total=False):
    """Options of `paceline.tune` and `paceline.optimize` about machines, and the record's place."""

    address: str | None
    """With ``executor="ray"``: the cluster, such as ``"10.0.0.1:6379"``; ``"auto"`` for the one
    that runs on this machine, ``"local"`` for a new one. See `paceline.execute.Ray`. With
    ``executor="workers"``: where workers join; see `paceline.execute.WorkerServer`.
    """
    cpus_per_worker: float | None
    """Only with ``executor="ray"``: the cores of each worker."""
    gpus_per_worker: float | None
    """Only with ``executor="ray"``: the GPUs of each worker."""
    store: str | None
    """Where the study's record is kept: the name of a store, or its address; None for an SQLite
    database in the study's directory.
    """


class ExecutionOptions(PlacementOptions, total=False):
    """Options of `paceline.tune` about where trials run."""

    memory: int | str | None
    """Memory for networks that train together: bytes, or a text such as ``"8GiB"``; None for most
    of the free memory.
    """
    merge: bool
    """Whether networks that differ only in sizes, such as the number of units, are trained together
    as one compiled model, at the largest of these sizes. It saves compilations; scores are the same
    up to rounding. False compiles a model for each size.
    """
    workers: int | None
    """Without data, the number of processes that call the function; None for this process. With
    data and ``executor="processes"``, the number of processes that train networks; with other
    executors, the largest number of workers.
    """
    executor: Any
    """Where trials run: ``"processes"``, for networks in several processes of this machine, each
    with a share of the cores or with a GPU (``workers`` is their number); the name of another
    executor, or a class of executors; see `paceline.execute.create`. None for Paceline's own:
    networks in this process, functions in this process or in ``workers``.
    """


class FunctionExecutionOptions(PlacementOptions, total=False):
    """Options of `paceline.optimize` about where the function is called."""

    time_limit: float | str | None
    """Only with ``workers`` or an ``executor``: how long one trial may take, such as ``"15m"``. In
    a pool the function is interrupted at its next Python instruction.
    """
    memory_limit: int | str | None
    """Only with ``workers``, or on Ray: how much memory one trial may take, such as ``"2GiB"``."""
    executor: Any
    """Where trials run: any ``concurrent.futures.Executor``, such as a ProcessPoolExecutor, one of
    loky, or ``client.get_executor()`` of Dask; ``workers`` is then the number of simultaneous
    calls, by default that of its workers. Or ``"ray"``: actors of a Ray cluster, see
    `paceline.execute.Ray`. Or ``"workers"``: processes that join with ``paceline worker``, see
    `paceline.execute.WorkerServer`. Or the name or class of another executor; see
    `paceline.execute.create`. None for Paceline's own, in this process or in ``workers``.
    """


def _store(_: str, value: Any) -> str:
    from paceline.store import check_store

    return check_store(value)


def _executor(_: str, value: Any) -> Any:
    name = getattr(value, "__name__", type(value).__name__)
    return value if value is None or isinstance(value, str) else FromMemory(f"the executor {name}")


def ray_address(name: str, value: Any) -> str:
    """Checks the address of a Ray cluster.

    Raises:
        InvalidInput: it has another form, or is that of a Ray Client server.
    """
    text = value.strip() if isinstance(value, str) else ""
    host, _, port = text.rpartition(":")
    expected = "a host and a port, such as '10.0.0.1:6379' (on Ray also 'auto' or 'local')"
    if "://" in text:
        raise InvalidInput(
            f"{name} is {value!r}, which is not that of a cluster itself",
            expected=expected,
            fix="Run Paceline on a machine of the cluster, for instance with: ray job submit",
        )
    if text in ("auto", "local") or (host and port.isdigit()):
        return text
    raise InvalidInput(f"{name} is {shown(value)}", expected=expected)


def _amount(name: str, value: Any) -> float:
    expected = "a number above 0"
    found = checks.number(name, value, expected)
    if found <= 0:
        raise InvalidInput(f"{name} is {shown(value)}", expected=expected)
    return found


def _number(value: float) -> str:
    return f"{value:.15g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSettings(Group):
    """Where and with what trials run.

    Attributes:
        executor: its name; None for the standard one.
        address: of a Ray cluster, or where workers join; None for the default of
            `paceline.execute.Ray` or `paceline.execute.WorkerServer`, as below.
        cpus_per_worker: cores of each worker there.
        gpus_per_worker: GPUs of each worker there.
        store: its name or address; None for the standard one.
        workers: processes that call a function or train networks; None for the default of the
            executor, which is the process of the study without one.
        time_limit: seconds that one trial in a worker may take.
        memory_limit: bytes that one trial in a worker may take.
        memory: bytes that networks training together may take.
        merge: whether networks that differ only in sizes may share a compiled model.
        backend: of Keras; None of a function.
    """

    executor: str | FromMemory | None = setting(
        None,
        _executor,
        Change.SILENT,
        terminal=Terminal(
            help="Where trials run: processes, for networks in several processes; ray, for a Ray "
            "cluster; workers, for processes that join with `paceline worker`; or another executor."
        ),
    )
    address: str | None = setting(
        None,
        optional(ray_address),
        Change.SILENT,
        terminal=Terminal(
            help="The Ray cluster: HOST:PORT, auto, or local for a new one; or HOST:PORT, where "
            "workers join."
        ),
    )
    cpus_per_worker: float | None = setting(
        None,
        optional(_amount),
        Change.SILENT,
        terminal=Terminal(float, "Cores of each worker on Ray.", write=_number),
    )
    gpus_per_worker: float | None = setting(
        None,
        optional(_amount),
        Change.SILENT,
        terminal=Terminal(float, "GPUs of each worker on Ray.", write=_number),
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
        terminal=Terminal(
            int, "How many processes call a function or, with --executor processes, train networks."
        ),
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
