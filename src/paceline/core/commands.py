"""Names of studies and commands of the terminal, as messages show them."""

import os
import shlex

_urls: dict[str, str] = {}
"""The URLs of studies that were named by them in this process, by their directories."""


def remember_url(directory: str | os.PathLike[str], url: str) -> None:
    """Sets what a study is called whose record is not in its directory.

    Args:
        directory: that of the study's files.
        url: of the study, without passwords.
    """
    _urls[os.path.abspath(directory)] = url


def url_of(directory: str | os.PathLike[str]) -> str | None:
    """The URL by which a study was named in this process; None for one named by its directory."""
    return _urls.get(os.path.abspath(directory)) if _urls else None


def study_name(directory: str | os.PathLike[str]) -> str:
    """The name of a study for users: its URL, without passwords, or its directory."""
    return url_of(directory) or os.fspath(directory)


def command_line(command: str, *paths: str | os.PathLike[str]) -> str:
    """A ``paceline`` command with quoted paths, such as ``paceline resume 'my study'``.

    A path that begins with a dash is written ``./-x``, so that it is not taken for an option.
    """
    texts = [study_name(path) for path in paths]
    quoted = [shlex.quote(f"./{text}" if text.startswith("-") else text) for text in texts]
    return " ".join(["paceline", command, *quoted])
