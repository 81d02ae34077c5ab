"""Commands of the terminal, as messages show them."""

import os
import shlex


def command_line(command: str, *paths: str | os.PathLike[str]) -> str:
    """A ``paceline`` command with quoted paths, such as ``paceline resume 'my study'``.

    A path that begins with a dash is written ``./-x``, so that it is not taken for an option.
    """
    texts = [os.fspath(path) for path in paths]
    quoted = [shlex.quote(f"./{text}" if text.startswith("-") else text) for text in texts]
    return " ".join(["paceline", command, *quoted])
