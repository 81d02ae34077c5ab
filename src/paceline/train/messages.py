"""What Keras and JAX say of an error, in the words of a note or a message of our own."""

import re


def in_a_line(error: Exception) -> str:
    """What an error says, without colours, and without what Keras repeats of its arguments."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).partition("Arguments received by")[0]
    text = " ".join(re.sub(r"Exception encountered when calling [^\n]*\n", "", text).split())
    return f"{type(error).__name__}: {text}{'' if text.endswith(('.', '!', '?')) else '.'}"
