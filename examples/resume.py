"""Continues a study: with more trials, after Ctrl+C or after a crash; nothing is trained twice."""

from typing import Any

import paceline


def objective(hp: Any) -> float:
    return float(-((hp.Float("x", 0, 1) - 0.3) ** 2) - 0.1 * hp.Int("n", 1, 5))


first = paceline.optimize(objective, "max", trials=6, seed=1, study="runs/resume")
print(len(first.trials), first.best.score)

# The same call with more trials continues; so does `resume`, which knows what the study was asked.
more = paceline.resume("runs/resume", objective, trials=12)
print(len(more.trials), more.best.score)
assert more.trials[:6] == first.trials

print(paceline.load_study("runs/resume"))  # reads it without writing, also while it runs
