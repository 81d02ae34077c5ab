"""Commands that people are told to type."""

import os
import shlex


def command_line(command: str, *paths: str | os.PathLike[str]) -> str:
    """``paceline resume 'my study'``: a command with paths after it, as a shell takes it.

    A path that begins with a dash is written ``./-x``, so that it is not taken for an option.
    """
    texts = [os.fspath(path) for path in paths]
    quoted = [shlex.quote(f"./{text}" if text.startswith("-") else text) for text in texts]
    return " ".join(["paceline", command, *quoted])
