"""The executor whose workers join over HTTP, as users ask for it."""

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from paceline.core import InvalidInput, command_line, process_state
from paceline.core.texts import printable
from paceline.execute.base import Executor
from paceline.execute.configured import ConfiguredExecutor
from paceline.execute.work import FunctionWork, Work, registry
from paceline.settings.execution import ExecutionSettings

if TYPE_CHECKING:
    from paceline.execute.function_call import Function
    from paceline.execute.process_worker import Load
    from paceline.execute.remote.server import StudyServer
    from paceline.serving.address import Address

PORT = 8643
"""The default port, if it is free."""

_EXPECTED_WORKERS = 8
_FIELDS = ("address", "workers")
_UNENCRYPTED = (
    "Other machines can reach this address. Messages are signed, so that nobody without the token "
    "can take part, but not encrypted: anyone who can listen to the network can read the "
    "function, data, configurations and scores. docs/workers.md has how to use TLS or an SSH "
    "tunnel."
)

_running: dict[str | None, "StudyServer"] = {}
"""The servers of this process by the address that was asked for, until the call of Paceline ends:
a search and its final are different executors with the same workers."""


@dataclass(frozen=True, slots=True)
class WorkerServer(ConfiguredExecutor):
    """Runs trials in processes that join the study: ``paceline worker STUDY --server URL``.

    ``executor="workers"`` is the same with all defaults. The study waits until a worker has
    joined. The token that workers need is the content of ``PACELINE_WORKER_TOKEN``, or of the file
    that ``PACELINE_WORKER_TOKEN_FILE`` names; without them one is drawn, and printed once.

    Attributes:
        address: where workers join, a host and a port, such as ``"0.0.0.0:8643"``; None for
            ``"127.0.0.1:8643"``, or another port of this machine if that is taken.
        workers: how many calls, or engines of networks, run at once at most; None for as many as
            there are workers.
    """

    name: ClassVar[str] = "workers"
    fields: ClassVar[tuple[str, ...]] = _FIELDS

    address: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            InvalidInput: one that cannot be used.
        """
        ConfiguredExecutor.__post_init__(self)
        if self.address in ("auto", "local"):
            raise InvalidInput(
                f"address is {self.address!r}, and executor is 'workers'",
                expected=f"a host and a port at which workers join, such as '127.0.0.1:{PORT}', "
                f"or '0.0.0.0:{PORT}' for all networks of this machine",
            )

    @classmethod
    def of(cls, settings: ExecutionSettings) -> "WorkerServer":
        """The executor of a study with these settings.

        Raises:
            InvalidInput: the address cannot be used, or the token is not usable.
        """
        made = super(WorkerServer, cls).of(settings)
        made.check()  # before anything of a study is written
        return made

    def __call__(self, work: Work) -> Executor:
        """Makes the executor.

        Raises:
            InvalidInput: the address cannot be used, the token is not usable, or the work cannot
                be sent to other processes.
        """
        server, is_own = self._server_of(work.study)
        close = partial(server.close, is_over=True) if is_own else None
        if not isinstance(work, FunctionWork):
            from paceline.execute.engines.driver import EngineExecutor
            from paceline.execute.remote.engines import JoinedEngines

            return EngineExecutor(work, JoinedEngines(server.lobby, self.workers, close))
        from paceline.execute.function_executor import FunctionExecutor
        from paceline.execute.remote.supply import JoinedSupply

        load = work.load or self.loader(work.function)
        supply = JoinedSupply(
            server.lobby, load, work.metric, self.workers, work.limits.memory, close
        )
        return FunctionExecutor.of(work, supply)

    def num_calls(self) -> int:
        """How many calls are expected to run at once; workers may join and leave at any time."""
        return self.workers or _EXPECTED_WORKERS

    def check(self) -> None:
        """Checks the address and the token.

        Raises:
            InvalidInput: one of them cannot be used.
        """
        from paceline.execute.remote.signing import given_token

        given_token()
        if self.address not in _running:
            self._listening().socket.close()

    def loader(self, function: "Function") -> "Load":
        """How a worker gets the function.

        Raises:
            InvalidInput: it cannot be copied to another process.
        """
        from paceline.execute.process_worker import importable

        return importable(function, has_same_main=False)

    def _server_of(self, study: str) -> tuple["StudyServer", bool]:
        """The server for a study, and whether nobody else closes it."""
        known = _running.get(self.address)
        if known is None:
            known = self._started(study)
            if not process_state.restore_at_end(("workers", self.address), self._close):
                return known, True
            _running[self.address] = known
        known.study = study
        return known, False

    def _started(self, study: str) -> "StudyServer":
        """Starts the server that workers join, and says how they do."""
        from paceline.execute.remote.lobby import Lobby
        from paceline.execute.remote.server import StudyServer
        from paceline.execute.remote.signing import TOKEN, given_token, new_token

        given = given_token()
        token = given or new_token()
        address = self._listening()
        command = f"{command_line('worker', study or 'STUDY')} --server {address.url().rstrip('/')}"
        # neither a note nor in the log, since a token that was drawn is in it
        if given is None:
            _tell(f"Workers join with: {TOKEN}={token} {command}")
        else:
            _tell(f"Workers join with the token that was set, and: {command}")
        if not address.is_loopback:
            _tell(_UNENCRYPTED)
        server = StudyServer(address, token, Lobby(), _tell)
        server.study = study
        return server

    def _listening(self) -> "Address":
        from paceline.serving.address import listen

        host, _, port = (self.address or "").rpartition(":")
        host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
        return listen(host, int(port) if port else None, PORT)

    def _close(self) -> None:
        """Ends the server with the call of Paceline; workers of an interrupted study wait."""
        is_interrupted = isinstance(sys.exception(), KeyboardInterrupt)
        _running.pop(self.address).close(is_over=not is_interrupted)


def _tell(line: str) -> None:
    print(printable(line), file=sys.stderr)


registry.register(WorkerServer(), WorkerServer.name)
