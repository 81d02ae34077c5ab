"""What to do about an option that a command does not have."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from paceline.core.names import closest, counterpart

_LIKE = 0.75


def suggestion(given: str, parameters: Sequence[Any], of_tune: Collection[str]) -> str:
    """A sentence about an unknown option; empty if no option is similar.

    Args:
        given: the option, such as ``--no-final``.
        parameters: those of the command.
        of_tune: options of ``paceline tune``.
    """
    known = {flag: one for one in parameters for flag in (*one.opts, *one.secondary_opts)}
    name = given.lstrip("-").replace("_", "-").casefold()
    if f"--{name}" in known:
        return f"Did you mean --{name}?"
    positive = name.removeprefix("no-")
    if positive != name:
        meant = _meant(positive, known)
        return "" if meant is None else _negative(meant, known[meant])
    meant = _meant(name, known)
    if meant is None and f"--{name}" in of_tune:
        return f"--{name} is an option of `paceline tune`."
    return "" if meant is None else f"Did you mean {meant}?"


def _meant(name: str, known: Mapping[str, Any]) -> str | None:
    """The option of this name, of its counterpart in another library, or a similar name."""
    named = (name, counterpart(name.replace("-", "_")) or "")
    for one in named:
        if f"--{one.replace('_', '-')}" in known:
            return f"--{one.replace('_', '-')}"
    return closest(f"--{name}", [flag for flag in known if flag.startswith("--")], _LIKE)


def _negative(flag: str, parameter: Any) -> str:
    """How to switch off what an option switches on."""
    opposites = [other for other in parameter.secondary_opts if other.startswith("--no-")]
    if opposites:
        return f"Did you mean {opposites[0]}?"
    if parameter.is_flag:
        return f"Leave out {flag}."
    if "off" in (parameter.metavar or "").split("|"):
        return f"Did you mean {flag} off?"
    value = f" {parameter.metavar}" if parameter.metavar else ""
    return f"{flag}{value} takes a value; leave it out for its default."
