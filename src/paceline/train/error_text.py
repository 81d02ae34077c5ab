"""Errors of Keras and JAX as text for notes and messages."""

import re


def one_line(error: Exception) -> str:
    """An error on one line, without colours and without the arguments that Keras repeats."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).partition("Arguments received by")[0]
    text = " ".join(re.sub(r"Exception encountered when calling [^\n]*\n", "", text).split())
    return f"{type(error).__name__}: {text}{'' if text.endswith(('.', '!', '?')) else '.'}"
