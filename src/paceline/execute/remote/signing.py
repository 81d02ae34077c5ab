"""Signed requests and answers, which prove that a study and its workers have the token.

The token itself is never sent. A request carries a random nonce and the SHA-256 of its body, and
an HMAC-SHA256 of both with the token as its key; an answer is signed together with the nonce of its
request, so that an old one does not pass for a new one. Bodies are not encrypted.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from paceline.core import InvalidInput

TOKEN, TOKEN_FILE = "PACELINE_WORKER_TOKEN", "PACELINE_WORKER_TOKEN_FILE"
"""The environment variables with the token, or with the path of a file that contains it."""

NONCE, DIGEST, SIGNATURE = "paceline-nonce", "paceline-digest", "paceline-signature"
"""The headers of a request; an answer has the last one."""

SERVER = "paceline-server"
"""A header of all answers, so that a worker knows that it has found a study."""

_SHORTEST = 16


def new_token() -> str:
    """A random token."""
    return secrets.token_hex(16)


def given_token(file: str | os.PathLike[str] | None = None) -> str | None:
    """The token that the user has set, or None.

    Args:
        file: contains it; None for what the environment says.

    Raises:
        InvalidInput: it is too short, or the file cannot be read.
    """
    where, text = TOKEN, os.environ.get(TOKEN)
    if file is None and text is None:
        file = os.environ.get(TOKEN_FILE)
    if file is not None:
        where = f"the token in {os.fspath(file)}"
        try:
            text = Path(file).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"the file of the token cannot be read ({error})",
                expected="a text file that contains the token of the study's workers",
            ) from None
    if text is None:
        return None
    token = text.strip()
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInput(  # without the token itself: messages are logged
            f"{where} is not usable ({len(token)} characters)",
            expected=f"at least {_SHORTEST} letters and digits, such as: openssl rand -hex 16",
        )
    return token


def digest_of(body: bytes) -> str:
    """The SHA-256 of a body."""
    return hashlib.sha256(body).hexdigest()


def request_headers(token: str, path: str, body: bytes) -> dict[str, str]:
    """The headers that sign a request."""
    nonce, digest = secrets.token_hex(16), digest_of(body)
    return {NONCE: nonce, DIGEST: digest, SIGNATURE: _of_request(token, path, nonce, digest)}


def is_signed_request(token: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether a request is signed with the token.

    Its body has to be compared with the digest when it has arrived.
    """
    nonce, digest = headers.get(NONCE, ""), headers.get(DIGEST, "")
    return _same(headers.get(SIGNATURE, ""), _of_request(token, path, nonce, digest))


def sign_answer(token: str, nonce: str, status: int, body: bytes) -> str:
    """The signature of the answer to a request."""
    return _signature(token, "answer", nonce, str(status), digest_of(body))


def is_signed_answer(token: str, nonce: str, status: int, body: bytes, signature: str) -> bool:
    """Whether a response to this request is signed with the token."""
    return _same(signature, sign_answer(token, nonce, status, body))


def _of_request(token: str, path: str, nonce: str, digest: str) -> str:
    return _signature(token, "request", path, nonce, digest)


def _signature(token: str, *texts: str) -> str:
    mac = hmac.new(token.encode(), digestmod=hashlib.sha256)
    for text in texts:
        content = text.encode()
        mac.update(len(content).to_bytes(8, "big") + content)
    return mac.hexdigest()


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())
