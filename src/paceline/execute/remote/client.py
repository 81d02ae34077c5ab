"""The worker's side of the requests to a study's server: signed, and repeated while it is away."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from paceline.core import InvalidInput, PacelineError
from paceline.execute.remote.mailbox import BODY_BYTES
from paceline.execute.remote.signing import (
    NONCE,
    SERVER,
    SIGNATURE,
    TOKEN,
    is_signed_answer,
    request_headers,
)

_PAUSE_SECONDS = 1.0  # between two attempts
_ANSWER_SECONDS = 30.0


class Gone(Exception):
    """The server does not know this connection, or not any more.

    Attributes:
        is_over: whether the study has ended.
    """

    def __init__(self, is_over: bool) -> None:
        """See the class."""
        super().__init__()
        self.is_over = is_over


class Stopped(Exception):
    """The worker was asked to end while it waited for the server."""


class StudyUnreachable(PacelineError):
    """The study's server has not answered for as long as the worker waits."""


class StudyAddress:
    """Where a study's server is: ``http://host:port``, perhaps with a path of a proxy.

    Attributes:
        url: as it was given.
        path: in front of the paths of requests.
    """

    def __init__(self, url: str) -> None:
        """Takes it apart.

        Raises:
            InvalidInput: it has another form.
        """
        wrong = InvalidInput(
            f"--server is {url!r}", expected="an address such as http://host:8643 or https://host"
        )
        try:
            parts = urlsplit(url)
            host, self._port = parts.hostname, parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.username:
            raise wrong
        self.url, self.path = url, parts.path.rstrip("/")
        self._host, self._is_encrypted = host, parts.scheme == "https"

    def connection(self, seconds: float) -> http.client.HTTPConnection:
        """A connection, which is opened with the first request."""
        kind = http.client.HTTPSConnection if self._is_encrypted else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=seconds)


class StudyClient:
    """Sends requests over one connection; for one thread."""

    def __init__(
        self,
        address: StudyAddress,
        token: str,
        patience: float,
        stop: threading.Event,
        tell: Callable[[str | None], None],
    ) -> None:
        """Opens no connection yet.

        Args:
            address: of the server.
            token: the server knows it, too.
            patience: seconds for which a request is repeated while there is no answer.
            stop: when it is set, nothing is repeated.
            tell: called with a line when the server is away, and with None when it answers again.
        """
        self._address, self._token, self._patience = address, token, patience
        self._stop, self._tell = stop, tell
        self._connection = address.connection(_ANSWER_SECONDS)

    def post(self, path: str, body: bytes) -> bytes:
        """Sends a request, again until it is answered; returns the body of the answer.

        Raises:
            Gone: the server does not know this connection.
            InvalidInput: the server refuses the request or the token, or is none of a study.
            StudyUnreachable: no answer for too long.
            Stopped: the worker is to end.
        """
        began, num_failed = time.monotonic(), 0
        while True:
            try:
                status, answer = self._once(path, body)
                break
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                num_failed += 1
                if num_failed > 1:  # the first time it may be a connection that was idle
                    self._wait(error, began, is_first=num_failed == 2)
        if num_failed > 1:
            self._tell(None)
        if status == 410:
            raise Gone(bool(json.loads(answer)["over"]))
        if status != 200:
            passed, expected, fix = json.loads(answer)["error"]
            raise InvalidInput(passed, expected=expected, fix=fix)
        return answer

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _wait(self, error: Exception, began: float, is_first: bool) -> None:
        """Waits before the next attempt, if there is to be one."""
        why = str(error) or type(error).__name__
        if time.monotonic() - began + _PAUSE_SECONDS > self._patience:
            raise StudyUnreachable(
                f"The study's server at {self._address.url} has not answered for "
                f"{self._patience:g} seconds ({why}). Does the study run, and can this machine "
                "reach it?"
            )
        if is_first:
            self._tell(
                f"The study's server at {self._address.url} does not answer ({why}); trying again "
                f"for {self._patience:g} seconds."
            )
        if self._stop.wait(_PAUSE_SECONDS):
            raise Stopped

    def _once(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Sends a request once; the answer is one of the study's server."""
        headers = request_headers(self._token, path, body)
        self._connection.request("POST", self._address.path + path, body, headers)
        response = self._connection.getresponse()
        answer, status = response.read(BODY_BYTES + 1), response.status
        if response.headers.get(SERVER) is None:
            if status in (502, 503, 504):  # a proxy whose server is away
                raise http.client.HTTPException(f"it answers {status} {response.reason}")
            raise InvalidInput(
                f"what answers at {self._address.url} is not the server of a study ({status} "
                f"{response.reason})",
                expected="the address that the study has printed, or that of a tunnel to it",
            )
        if status == 401:
            raise InvalidInput(
                f"the server at {self._address.url} does not accept the token",
                expected=f"that of the study, in {TOKEN}, or in a file: --token-file",
                fix="A study without a token of its own draws another one whenever it is started.",
            )
        signature = response.headers.get(SIGNATURE, "")
        if not is_signed_answer(self._token, headers[NONCE], status, answer, signature):
            raise http.client.HTTPException(f"it answers {status} without a valid signature")
        return status, answer
