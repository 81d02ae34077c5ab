"""``paceline ablate``: what each change from the default configuration to the winner is worth."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from paceline.cli import options as o
from paceline.cli.settings_options import given, takes_settings

if TYPE_CHECKING:
    from paceline.report import Study


@takes_settings(("data_dir", "memory", "merge"))
def ablate(
    study: o.StudyArgument,
    pairs: Annotated[
        int, typer.Option(help="Fresh seeds and splits on which each change is measured.")
    ] = 8,
    build: o.KnownBuild = None,
    data: o.KnownData = None,
    trust: o.Trust = False,
    display: o.Display = True,
    **settings: Any,
) -> None:
    """Measure what each change made by the winner is worth.

    Networks that differ from the default configuration, or from the winner, in one hyperparameter
    train together on fresh seeds and splits. Called again, it continues.
    """
    from paceline import api
    from paceline.cli.search import asking, interruptible
    from paceline.report import ablation_gains
    from paceline.report.terminal import console, say

    asked = given(settings)

    def go(trust: bool) -> "Study":
        return api.ablate(study, build, data, pairs=pairs, display=display, trust=trust, **asked)

    with interruptible():
        ended = asking(go, trust)
    for line in ablation_gains.lines(ended.record):
        say(console(), line)
