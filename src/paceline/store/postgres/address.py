"""Addresses of studies in PostgreSQL: ``postgresql://user@host:5432/database/name?files=...``.

The first part of the path is the database, the rest is the name of the study. Three parameters are
Paceline's, ``files``, ``wait`` and ``answer``; the others are those of PostgreSQL's library
(libpq), such as ``sslmode``. Passwords are kept in the memory of the process, apart from the
address, so that an address can be shown and stored.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, unquote, urlencode

import sqlalchemy as sa

from paceline.core import InvalidInput
from paceline.store.mirror import check_url

EXAMPLE = "postgresql://user@host/database/study"
WAIT = 300.0
"""Seconds for which a writer waits for a server that cannot be used, by default."""
ANSWER = 30.0
"""Seconds without an answer after which a connection counts as lost, by default."""

_DRIVER = "postgresql+psycopg"
_WHOLE = re.compile(r"[a-z]+(?:\+[a-z0-9]+)?://([^/?#]*)(/[^?]*)?(?:\?(.*))?", re.I | re.S)
_SERVER = re.compile(r"(?:([^:@]*)(?::(.*))?@)?(\[[^\]@]+\]|[^:@\[\]]*)(?::(\d{1,5}))?", re.DOTALL)
_SECRETS = ("password", "sslpassword")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST = 200  # characters of a study's name

_known_secrets: dict[str, dict[str, str]] = {}
"""Passwords by the address of the database."""


@dataclass(frozen=True)
class DatabaseAddress:
    """The address of a study, or of a database with studies.

    Attributes:
        server: of the database, without passwords.
        name: of the study; "" for the database.
        files: where the files of the study are; None where the address does not say it.
        wait: seconds for which its writer waits for a server that cannot be used.
        answer: seconds without an answer after which a connection to the server counts as lost.
    """

    server: sa.URL
    name: str
    files: str | None = None
    wait: float = WAIT
    answer: float = ANSWER

    @property
    def text(self) -> str:
        """The address as a text, without passwords."""
        server, path = self.server, quote(self.server.database or "")
        if self.name:
            path += f"/{quote(self.name)}"
        user = f"{quote(server.username, safe='')}@" if server.username else ""
        host = server.host or ""
        host = f"[{host}]" if ":" in host else host
        port = "" if server.port is None else f":{server.port}"
        own = {} if self.files is None else {"files": self.files}
        if self.wait != WAIT:
            own["wait"] = f"{self.wait:g}"
        if self.answer != ANSWER:
            own["answer"] = f"{self.answer:g}"
        asked = urlencode([*_pairs(server.query), *own.items()], safe="/:")
        return f"postgresql://{user}{host}{port}/{path}{'?' if asked else ''}{asked}"

    @property
    def place(self) -> str:
        """The server, for messages."""
        host = self.server.host or dict(_pairs(self.server.query)).get("host", "this machine")
        return host if self.server.port is None else f"{host}:{self.server.port}"

    @property
    def secrets(self) -> Mapping[str, str]:
        """The passwords that were passed for this database in this process."""
        return _known_secrets.get(_key(self.server), {})

    @property
    def secret_text(self) -> str:
        """The address with its passwords, for another process of this user."""
        if not self.secrets:
            return self.text
        return f"{self.text}{'&' if '?' in self.text else '?'}{urlencode(self.secrets)}"

    def named(self, name: str) -> "DatabaseAddress":
        """The address of a study in this database."""
        return replace(self, name=name)


def masked(text: str) -> str:
    """A text that may be an address, without what may be a user's password."""
    text = re.sub(r"://.*@", "://***@", text, flags=re.DOTALL)
    return re.sub(r"((?:ssl)?password=)[^&\s]*", r"\1***", text)


def parse(text: str, *, needs_name: bool = True) -> DatabaseAddress:
    """Reads an address, and remembers its passwords.

    Args:
        text: the address.
        needs_name: whether it has to be that of a study.

    Raises:
        InvalidInput: it is not one; the message does not contain passwords.
    """
    whole = _WHOLE.fullmatch(text.strip())
    server = None if whole is None else _SERVER.fullmatch(whole[1])
    if whole is None or server is None:
        raise _refused(text, "cannot be read", "Write %40 for @, %2F for / in a user or password.")
    user, password, host, port = server.groups()
    asked = dict(parse_qsl(whole[3] or "", keep_blank_values=True))
    secrets = {name: asked.pop(name) for name in _SECRETS if name in asked}
    if password is not None:
        secrets["password"] = unquote(password)
    database, _, name = (whole[2] or "").removeprefix("/").partition("/")
    files = asked.pop("files", None)
    wait = _seconds(text, "wait", asked.pop("wait", None), WAIT)
    answer = _seconds(text, "answer", asked.pop("answer", None), ANSWER)
    if not answer:
        raise _refused(text, "has answer=0", f"Seconds without an answer, such as {ANSWER:g}.")
    name = unquote(name)
    url = sa.URL.create(
        _DRIVER,
        username=unquote(user) if user else None,
        host=unquote(host).strip("[]") or None,
        port=int(port) if port else None,
        database=unquote(database),
        query=asked,
    )
    if not url.database or _CONTROL.search(url.database):
        raise _refused(text, "names no database")
    if name or needs_name:
        _check_name(text, name)
    if files is not None and not files.strip():
        raise _refused(text, "has an empty files=", "Name a directory or a URL.")
    if files is not None:
        check_url(files)
    if secrets:
        _known_secrets[_key(url)] = secrets
    return DatabaseAddress(url, name, files, wait, answer)


def _check_name(text: str, name: str) -> None:
    parts = name.split("/")
    if not name.strip():
        raise _refused(text, "names a database, and no study in it")
    if _CONTROL.search(name):
        raise _refused(text, "has a name with control characters")
    if any(part.strip() in ("", ".", "..") for part in parts):
        raise _refused(text, "has a name with an empty part", "Remove extra slashes and dots.")
    if len(name) > _LONGEST:
        raise _refused(text, f"has a name of {len(name)} characters", f"At most {_LONGEST}.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _refused(text, "has a name that is not valid text") from None


def _seconds(text: str, name: str, given: str | None, default: float) -> float:
    if given is None:
        return default
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise _refused(
            text, f"has {name}={given!r}, which is not a number of seconds", f"As in {name}=60"
        )
    return found


def _refused(text: str, why: str, fix: str = "") -> InvalidInput:
    return InvalidInput(f"the address {masked(text)!r} {why}", expected=EXAMPLE, fix=fix)


def _key(server: sa.URL) -> str:
    return repr((server.username, server.host, server.port, server.database, server.query))


def _pairs(query: Mapping[str, str | tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        yield name, value if isinstance(value, str) else ",".join(value)
