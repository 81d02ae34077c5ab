"""What a benchmark found, as a section of ``RESULTS.md``; a section is replaced when its benchmark
runs again.
"""

import datetime
import math
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from benchmarks import environments
from benchmarks.measure import number

HEADING = """# Results

Written by `python -m benchmarks.run`, a section for each benchmark, replaced when it runs again. Do
not edit by hand. Every figure comes from the run named in its section: Paceline and its peers in
turn (A B A B), each in a process of its own with a cache directory of its own; medians, with the
smallest and largest in brackets and n the number of runs. Ratios are of medians. "must" and "aim"
are what the project set itself.
"""


@dataclass(frozen=True)
class Finding:
    """One figure held against what it must reach.

    Attributes:
        what: the figure in words.
        value: its value; NaN where it could not be measured.
        must: what it must reach, or None.
        aim: what it should reach, or None.
        unit: written after the numbers.
        better: which way is up.
    """

    what: str
    value: float
    must: float | None = None
    aim: float | None = None
    unit: str = "×"
    better: Literal["higher", "lower"] = "higher"

    def met(self, bound: float | None) -> bool:
        """Whether a bound is reached; one that is not there is."""
        if bound is None:
            return True
        return self.value >= bound if self.better == "higher" else self.value <= bound

    @property
    def verdict(self) -> str:
        """The figure's standing in words."""
        if math.isnan(self.value):
            return "**not measured**"
        if self.must is None and self.aim is None:
            return "for information"
        if not self.met(self.must):
            return "**falls short**"
        if self.aim is None:
            return "met"
        return (
            "aim met"
            if self.met(self.aim)
            else ("met, aim not" if self.must is not None else "aim not met")
        )

    def cells(self) -> list[str]:
        return [
            self.what,
            self._amount(self.value),
            self._amount(self.must),
            self._amount(self.aim),
            self.verdict,
        ]

    def _amount(self, value: float | None) -> str:
        if value is None or math.isnan(value):
            return "-"
        gap = "" if self.unit in ("×", "") else " "
        return f"{number(value)}{gap}{self.unit}"


@dataclass(frozen=True)
class Result:
    """A benchmark's whole section.

    Attributes:
        title: its heading.
        method: how it was measured, in prose.
        findings: the figures that are held against a bound.
        headings, rows: the measurements behind them.
        environments: whose versions are to be written down.
        more: further paragraphs and tables, in Markdown.
    """

    title: str
    method: str
    findings: Sequence[Finding]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    environments: Sequence[str] = (environments.OURS,)
    more: Sequence[str] = ()


@dataclass(frozen=True)
class Took:
    """What it took.

    Attributes:
        load: the machine's load before it began; near 0 means that nothing else ran.
        seconds: how long the benchmark took.
        reused: runs that were made before, by the same code and versions, and kept.
    """

    load: float
    seconds: float
    reused: int = 0


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def render(name: str, result: Result, *, command: str, took: Took) -> str:
    """The section in Markdown, between two marks by which it is found again.

    Args:
        name: the benchmark's name on the command line.
        result: what it found.
        command: how to repeat it.
        took: what it took.
    """
    kept = (
        f"; {took.reused:,} runs of the same code and versions were kept from before"
        if took.reused
        else ""
    )
    versions = "\n".join(
        f"- {environment}: "
        f"{', '.join(f'{k} {v}' for k, v in environments.versions(environment).items())}"
        for environment in result.environments
    )
    verdicts = table(
        ["what", "measured", "must", "aim", "verdict"],
        [finding.cells() for finding in result.findings],
    )
    return f"""<!-- begin {name} -->
## {result.title}

{result.method}

{verdicts}
{_remarks(name)}
{table(result.headings, result.rows)}
{"".join(f"{chr(10)}{part}{chr(10)}" for part in result.more)}
`{command}` took {took.seconds / 60:.1f} min on {datetime.date.today()}, {revision()}{kept}.
Machine: {machine()}; load before it began {took.load:.2f}.

{versions}
<!-- end {name} -->
"""


def _remarks(name: str) -> str:
    """What people say about a benchmark, such as why it falls short: ``remarks/<name>.md``, where
    there is one.
    """
    path = environments.ROOT / "benchmarks" / "remarks" / f"{name}.md"
    return f"\n{path.read_text().strip()}\n" if path.exists() else ""


def update(path: Path, name: str, section: str, order: Sequence[str]) -> None:
    """Puts a section into the file in place of its older self, the sections in the given order."""
    text = path.read_text() if path.exists() else ""
    found = re.findall(r"<!-- begin (.+?) -->.*?<!-- end \1 -->\n", text, flags=re.S)
    sections = {
        old: re.search(
            rf"<!-- begin {re.escape(old)} -->.*?<!-- end {re.escape(old)} -->\n", text, flags=re.S
        )[0]  # type: ignore[index]
        for old in found
    }
    sections[name] = section
    place = {known: index for index, known in enumerate(order)}
    ordered = sorted(sections, key=lambda old: place.get(old, len(place)))
    path.write_text("\n".join([HEADING, *(sections[old] for old in ordered)]))


def machine() -> str:
    """Processor, cores, memory and operating system, without names."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    processor = model[1].strip() if model else platform.processor() or platform.machine()
    return f"{processor}, {cores} cores, {memory:.0f} GiB, {platform.system()}"


def revision() -> str:
    """The commit that was measured, and whether files differed from it."""
    git = ["git", "-C", str(environments.ROOT)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    changes = subprocess.run(
        [*git, "status", "--porcelain", "src"], capture_output=True, text=True, check=False
    )
    return f"commit {commit.stdout.strip() or 'unknown'}" + (
        " with changes" if changes.stdout.strip() else ""
    )
