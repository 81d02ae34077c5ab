"""The command line: ``paceline demo``, ``tune``, ``train``, ``show``, ``resume`` and others."""


def main() -> None:
    """Runs the command that was typed."""
    from paceline.cli.app import app

    app(prog_name="paceline")
