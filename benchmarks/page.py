"""How long the report of a large study takes to make, how large it is, and whether a browser shows
all of it.
"""

import math
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from benchmarks.measure import Options, Spread
from benchmarks.report import Finding, Result
from paceline.core import Action, TrialState
from paceline.core.events import (
    BestTested,
    EpochMeasured,
    Event,
    FinalEnded,
    FinalMeasured,
    FinalStarted,
    ProgramCompiled,
    SessionEnded,
    SessionStarted,
    SpaceChanged,
    StudyCreated,
    TrialAsked,
    TrialDecided,
    TrialEnded,
    TrialPaused,
    TrialStarted,
)
from paceline.report.document import write_report
from paceline.space import Boolean, Choice, Float, Int, Space
from paceline.store import StudyStore

EPOCHS = 27
SPACE = Space(
    {
        "layers": Int(1, 4),
        "units": Int(32, 512, step=32),
        "activation": Choice(["relu", "tanh", "gelu"]),
        "optimizer": Choice(["adam", "sgd", "rmsprop"]),
        "learning_rate": Float(1e-4, 1e-1, sampling="log"),
        "l2": Float(1e-7, 1e-2, sampling="log"),
        "dropout": Float(0.0, 0.6),
        "batch_norm": Boolean(),
    }
)

METHOD = """A study of {trials:,} trials over {hyperparameters} hyperparameters, made up: {epochs}
epochs, of which the worse trials train 1, 3 or 9. `paceline report` from its directory to the file,
CPU seconds of the process (reading the study included); then the file is opened in headless
Chromium without a network, and what it drew and what its console said is counted."""


def run(options: Options) -> Result:
    trials, repeats = (60, 1) if options.quick else (1000, options.repeats)
    with tempfile.TemporaryDirectory(prefix="benchmark-page-") as folder:
        directory = write_study(Path(folder) / "study", trials)
        spent = []
        for _ in range(repeats):
            began = time.process_time()
            path = write_report(directory)
            spent.append(time.process_time() - began)
        megabytes = path.stat().st_size / 1e6
        seen = browse(path)
    built = Spread(tuple(spent))
    findings = [
        Finding("report built, CPU", built.median, 5.0, unit="s", better="lower"),
        Finding("its size", megabytes, 6.0, unit="MB", better="lower"),
        Finding(
            "console errors",
            math.nan if seen is None else len(seen.errors),
            0,
            unit="",
            better="lower",
        ),
        Finding(
            "figures not drawn",
            math.nan if seen is None else seen.missing,
            0,
            unit="",
            better="lower",
        ),
    ]
    rows = [["CPU seconds", str(built)], ["MB", f"{megabytes:.2f}"]]
    if seen is not None:
        rows += [["panels", ", ".join(seen.panels)], ["figures drawn", str(seen.drawn)]]
    method = METHOD.format(trials=trials, hyperparameters=len(SPACE), epochs=EPOCHS)
    return Result("The report of a large study", method, findings, ["what", "measured"], rows)


class Seen:
    """What a browser made of a page."""

    def __init__(self, html: str, console: str) -> None:
        self.panels = re.findall(r'<section id="(\w+)"', html)
        places = re.findall(r'<div class="plot(?: [^"]*)?"[^>]*>', html)
        self.drawn = sum('data-drawn="yes"' in place for place in places)
        self.missing = len(places) - self.drawn
        self.errors = [line for line in console.splitlines() if "CONSOLE" in line]


def browse(path: Path) -> Seen | None:
    """Opens a page in headless Chromium; None where there is none on this machine."""
    program = which("chromium") or which("chromium-browser") or which("google-chrome")
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="benchmark-browser-") as profile:
        command = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            "--v=0",
            "--virtual-time-budget=20000",
            "--window-size=1200,4000",
            "--dump-dom",
            path.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    html = re.sub(r"<script.*?</script>", "", done.stdout, flags=re.S)
    return Seen(html, done.stderr)


def write_study(directory: Path, trials: int) -> Path:
    """A study of made-up trials, as a search with successive halving leaves it."""
    store = StudyStore(directory, writable=True)
    store.append(list(_opening(trials)))
    draw = random.Random(1)
    for first in range(0, trials, 8):
        store.append(
            [
                event
                for number in range(first, min(trials, first + 8))
                for event in _trial(number, draw)
            ]
        )
    store.append(list(_closing(min(8, trials), draw)))
    store.append([SessionEnded(f"all {trials} trials have ended", 3600.0)])
    store.close()
    return directory


def _opening(trials: int) -> Iterator[Event]:
    rows = {"train": 54_000, "val": 6_000, "test": 10_000}
    objective = {"metric": "val_accuracy", "direction": "maximize"}
    settings = {"epochs": EPOCHS, "batch_size": 32, "trials": trials, "search": "random", "seed": 1}
    yield StudyCreated(
        2, objective, {"name": "made up", "fingerprint": "none", "rows": rows}, settings
    )
    yield SessionStarted({"paceline": "0"})
    yield SpaceChanged(SPACE.to_json())


def _closing(finalists: int, draw: random.Random) -> Iterator[Event]:
    yield FinalStarted(tuple(range(finalists)), 0, 8, True, 0.1)
    for pair in range(8):
        for number in range(finalists):
            yield FinalMeasured(number, pair, 0.97 + draw.gauss(0, 0.002), EPOCHS, {}, 2.0)
    yield FinalEnded(0, "the best mean")
    yield BestTested(0, {"accuracy": 0.97, "loss": 0.1}, refitted=True, epochs=EPOCHS)


def _trial(number: int, draw: random.Random) -> Iterator[Event]:
    config = {one.name: one.from_unit(draw.random()) for one in SPACE}
    program = f"{config['layers']}-{config['activation']}"
    best = (
        draw.gauss(0.98, 0.003)
        - 0.02 * abs(math.log10(float(config["learning_rate"])) + 2.5)
        - 0.01 * float(config["dropout"])
    )
    epochs = next(
        epochs
        for epochs, least in ((EPOCHS, 0.965), (9, 0.955), (3, 0.945), (1, 0.0))
        if best > least
    )
    yield TrialAsked(number, config, number, EPOCHS, "random")
    if number % 40 == 0:
        yield ProgramCompiled(program, 4, 1.5, 1)
    yield TrialStarted(number, program, config)
    score = 0.0
    for epoch in range(1, epochs + 1):
        score = best - 0.3 * math.exp(-epoch / 3) + draw.gauss(0, 0.002)
        metrics = {
            "loss": 1 - score,
            "accuracy": score + 0.01,
            "val_loss": 1.1 - score,
            "val_accuracy": score,
        }
        yield EpochMeasured(number, epoch, metrics, 0.4 * epoch)
        if epoch in (1, 3, 9) and epoch < epochs:
            yield TrialPaused(number, f"{epoch} of {EPOCHS} epochs")
            yield TrialDecided(number, epoch, Action.CONTINUE, "rank 1 of 3; the best goes on")
    if epochs < EPOCHS:
        yield TrialEnded(
            number, TrialState.STOPPED, score, epochs, f"rank 9 of 9 after {epochs} epochs"
        )
    else:
        yield TrialEnded(number, TrialState.COMPLETED, score, epochs, "")
