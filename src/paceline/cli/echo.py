"""How commands write lines outside of tables."""

import typer


def echo(line: str = "", *, nl: bool = True, err: bool = False) -> None:
    """Writes a line in which nothing can control the terminal.

    Args:
        line: the line.
        nl: whether it ends there.
        err: whether it goes to standard error.
    """
    from paceline.core.texts import printable

    typer.echo(printable(line), nl=nl, err=err)
