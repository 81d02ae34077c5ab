"""``paceline ablate``: what each change from the default configuration to the winner is worth."""

from typing import TYPE_CHECKING, Annotated

import typer

from paceline.cli import options as o

if TYPE_CHECKING:
    from paceline.report import Study


def ablate(
    study: o.StudyArgument,
    pairs: Annotated[
        int, typer.Option(help="Fresh seeds and splits on which each change is measured.")
    ] = 8,
    build: o.KnownBuild = None,
    data: o.KnownData = None,
    data_dir: o.DataDir = None,
    trust: o.Trust = False,
    display: o.Display = True,
) -> None:
    """Measure what each change made by the winner is worth.

    Networks that differ from the default configuration, or from the winner, in one hyperparameter
    train side by side on fresh seeds and splits. Called again, it goes on.
    """
    from paceline import api
    from paceline.cli.search import asking, interruptible
    from paceline.report import ablation
    from paceline.report.terminal import console, say

    def go(trust: bool) -> "Study":
        options = o.data_options(data_dir, None, None, None)
        return api.ablate(study, build, data, pairs=pairs, display=display, trust=trust, **options)

    with interruptible():
        ended = asking(go, trust)
    for line in ablation.lines(ended.record):
        say(console(), line)
