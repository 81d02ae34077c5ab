"""The terminal face: ``paceline demo``, ``tune``, ``train``, ``show``, ``watch``, ``resume``,
``data``.
"""


def main() -> None:
    """Runs the command that was typed."""
    from paceline.cli.app import app

    app(prog_name="paceline")
