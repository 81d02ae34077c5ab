"""Makes ``demo.svg``, the picture in the README: what ``paceline show`` prints after ``paceline
demo``.

Run from anywhere, with Paceline installed: ``python docs/pictures/make.py``. It takes as long as
the demo.
"""

import os
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from paceline.report import read, text

PICTURE = Path(__file__).resolve().parent / "demo.svg"
WIDTH = 118
"""Columns: as many as can be read where a page shows the picture some 900 pixels wide."""


def main() -> None:
    """Runs the demo in a directory that is removed again, and draws its study."""
    with (
        tempfile.TemporaryDirectory(prefix="picture-") as directory,
        open(os.devnull, "w") as nothing,
    ):
        os.chdir(directory)
        fresh = {
            **os.environ,
            "PACELINE_CACHE": str(Path(directory, "cache")),
        }  # compiles, as a new user's does
        subprocess.run(
            [sys.executable, "-m", "paceline", "demo"], check=True, stdout=nothing, env=fresh
        )
        shown = Console(file=StringIO(), width=WIDTH, highlight=False, force_terminal=True)
        text.show(read("runs/demo"), shown)
        console = Console(record=True, file=nothing, width=WIDTH, highlight=False)
        console.print("$ paceline show runs/demo", style="bold")
        console.print(Text.from_ansi(shown.file.getvalue()))  # type: ignore[attr-defined]  # wraps, as a terminal does
        console.save_svg(str(PICTURE), title="paceline")
        os.chdir(PICTURE.parent)


if __name__ == "__main__":
    main()
