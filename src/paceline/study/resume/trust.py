"""Runs code that a study names only if the user named it too, or trusts it.

A study is a directory, and may come from another person, who can have written anything into it:
`paceline resume` must not run a file because the directory names it. When a user names
``model.py:build``, the study keeps a signature of that text, made with a key that never leaves the
user's own state directory. Nobody else can make such a signature, so a study with a valid one
continues without a question, wherever it was copied to. Code inside the study's own directory came
with the study: it is never run without consent, even if it was named before. See
``docs/design/0016-trusted-code-and-files.md``.
"""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

import platformdirs

from paceline.core import InvalidInput
from paceline.core.events import Json
from paceline.settings.description import Settings
from paceline.store import open_store

_NAME = "signature"
_KEY_BYTES = 32


class NotTrusted(InvalidInput):
    """A study names code, and nothing shows that this user wants to run it."""


def remembered(settings: Settings) -> dict[str, Json]:
    """Values to store so that the user is not asked about the code of these settings again.

    Stored only by a session that runs this code: the user has then named it, or allowed it.
    """
    named, key = settings.function.build, _key()
    if not isinstance(named, str) or key is None:
        return {}
    return {_NAME: _signature(key, named)}


def check(named: str, directory: Path, trust: bool) -> None:
    """Checks whether code that a study names may be run.

    Args:
        named: ``"/where/model.py:build"``, as stored in the study.
        directory: that of the study.
        trust: whether the user allows it to run.

    Raises:
        NotTrusted: the user did not name it, or it lies in the study's directory, and it is not
            trusted.
    """
    if trust:
        return
    file = Path(named.rpartition(":")[0])
    if file.resolve().is_relative_to(directory.resolve()):
        why = "it lies in the study's own directory"
    elif not _is_signed(named, directory):
        why = "nothing says that you named it"
    else:
        return
    raise NotTrusted(
        f"study {directory} names {named} as its code, which was not run: {why}",
        expected="trust=True to run that file, or build= with the function; on the terminal "
        "--trust, or --build",
        fix="Look at the file first: it can do whatever you can.",
    )


def _is_signed(named: str, directory: Path) -> bool:
    store = open_store(directory, writable=False)
    try:
        found = store.value(_NAME)
    finally:
        store.close()
    key = _key()
    return (
        key is not None
        and isinstance(found, str)
        and hmac.compare_digest(_signature(key, named), found)
    )


def _signature(key: bytes, named: str) -> str:
    return hmac.new(key, named.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _key() -> bytes | None:
    """The user's key, created at first use; None if it cannot be stored."""
    given = os.environ.get("PACELINE_STATE")
    path = (Path(given) if given else platformdirs.user_state_path("paceline")) / "key"
    with suppress(OSError):
        if not path.exists():
            _create_key(path)
        key = path.read_bytes()
        return key if len(key) == _KEY_BYTES else None
    return None


def _create_key(path: Path) -> None:
    """Creates a key atomically; of two processes that do so at once, one key remains."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f"key-{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        with suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink(missing_ok=True)
