"""Elements of panels: escaped text, tables, and figures as plain Plotly JSON.

Names and values come from users: every function here that makes HTML escapes its arguments, and
`label` does the same for Plotly, whose texts may contain tags too.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paceline.report import words

BLUE, VERMILLION, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"
"""Colours of Okabe and Ito that stand out on white; on a dark page the script uses brighter
ones.
"""

_LONGEST_LABEL, _LONGEST_TITLE = 40, 100
_DIGITS = 5  # significant digits of numbers in figures
_RIGHT = ' class="n"'


@dataclass(frozen=True)
class Figure:
    """A figure that Plotly draws.

    Attributes:
        name: unique among all figures of a report; letters and underscores.
        plotly: ``data`` and ``layout``, plain types that go to JSON.
        alt: text for those who cannot see the figure.
    """

    name: str
    plotly: Mapping[str, Any]
    alt: str

    def place(self) -> str:
        """The HTML element in which it is drawn."""
        height = int(self.plotly.get("layout", {}).get("height", 360))
        return (
            f'<figure data-figure="{text(self.name)}"><div class="plot" role="img" '
            f'aria-label="{text(self.alt)}" '
            f'style="min-height:{height}px"></div><figcaption>{text(self.alt)}</figcaption></figure>'
        )


@dataclass(frozen=True)
class Panel:
    """One part of the page.

    Attributes:
        name: unique among the panels; letters.
        title: its heading, plain text.
        html: its body, escaped; contains the place of each figure.
        figures: drawn in those places.
    """

    name: str
    title: str
    html: str
    figures: tuple[Figure, ...] = field(default=())


def text(value: object) -> str:
    """Escapes a value for HTML, in an element or in an attribute."""
    return html.escape(str(value), quote=True)


def paragraph(sentence: str, kind: str = "") -> str:
    """A sentence as a paragraph."""
    return f'<p class="{kind}">{text(sentence)}</p>' if kind else f"<p>{text(sentence)}</p>"


def label(value: object, longest: int = _LONGEST_LABEL) -> str:
    """Escapes a name or value for Plotly: one line, shortened if it is long."""
    line = " ".join(str(value).split())
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    return html.escape(line, quote=False)


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is sorted by something else than its text.

    Attributes:
        shown: its text.
        key: number or text to sort by; None comes last.
    """

    shown: str
    key: float | str | None


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    caption: str = "",
    sortable: bool = False,
) -> str:
    """A table; the first cell of a row is its heading. Numbers are aligned right."""
    mark = ' class="sortable"' if sortable else ""
    listed = list(rows)
    right = [any(_is_number(row[place]) for row in listed) for place in range(len(headings))]
    heads = "".join(
        _heading(name, sortable, numbers) for name, numbers in zip(headings, right, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(cell, index) for index, cell in enumerate(row))}</tr>\n"
        for row in listed
    )
    above = f"<caption>{text(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{text(caption or "table")}"><table{mark}>{above}'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def facts(rows: Iterable[tuple[str, object]]) -> str:
    """Names with their values, as a description list."""
    listed = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in rows)
    return f"<dl>{listed}</dl>"


def details(summary: str, body: str) -> str:
    """Content that can be unfolded; ``body`` is HTML already."""
    return f"<details><summary>{text(summary)}</summary>{body}</details>"


def figure(
    name: str, data: Sequence[Mapping[str, Any]], layout: Mapping[str, Any], alt: str
) -> Figure:
    """A figure with the common layout; numbers are rounded to five significant digits."""
    common = {"margin": {"l": 60, "r": 20, "t": 30, "b": 50}, "height": 360, "hovermode": "closest"}
    plotly = {"data": [rounded(trace) for trace in data], "layout": {**common, **rounded(layout)}}
    return Figure(name, plotly, alt)


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with a title."""
    return {
        "title": {"text": label(title, _LONGEST_TITLE)},
        "automargin": True,
        "zeroline": False,
        **more,
    }


def rounded(value: Any) -> Any:
    """Plain JSON types: numbers rounded to five significant digits, None if not finite.

    Entries of mappings that are None are left out: plotly.js cannot update a figure whose axis has
    the range null.
    """
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, Mapping):
        entries = ((str(key), rounded(entry)) for key, entry in value.items())
        return {key: entry for key, entry in entries if entry is not None}
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None


def scores_range(scores: Sequence[float]) -> list[float] | None:
    """The range of an axis that shows most finite scores; outliers do not compress the rest."""
    finite = sorted(score for score in scores if math.isfinite(score))
    if len(finite) < 2:
        return None
    low, high = finite[0], finite[-1]
    last = len(finite) - 1
    quarter, middle, three = finite[last // 4], finite[last // 2], finite[-(-3 * last // 4)]
    reach = 3 * max(three - quarter, abs(middle) * 1e-9)
    low, high = max(low, quarter - reach), min(high, three + reach)
    gap = 0.05 * (high - low)
    return [low - gap, high + gap] if gap > 0 else None


def _heading(name: str, sortable: bool, numbers: bool) -> str:
    shown = f'<button type="button">{text(name)}</button>' if sortable else text(name)
    return f'<th scope="col"{_RIGHT if numbers else ""}>{shown}</th>'


def _cell(cell: object, index: int) -> str:
    shown, key = (cell.shown, cell.key) if isinstance(cell, Cell) else (cell, None)
    if isinstance(shown, float):
        key, shown = shown if math.isfinite(shown) else None, words.number(shown)
    elif isinstance(key, float) and _shows_number(str(shown), key):
        key = None
    kind = _RIGHT if _is_number(cell) else ""
    sort = (
        ""
        if key is None
        else f' data-key="{text(f"{key:.6g}" if isinstance(key, float) else key)}"'
    )
    tag = 'th scope="row"' if index == 0 else "td"
    return f"<{tag}{kind}{sort}>{text(shown)}</{tag.split()[0]}>"


def _is_number(cell: object) -> bool:
    if isinstance(cell, Cell):
        return (
            isinstance(cell.key, float | int)
            and cell.shown[-1:].isdigit()
            and cell.shown[:1] in "-0123456789"
        )
    return isinstance(cell, float | int) and not isinstance(cell, bool)


def _shows_number(shown: str, key: float) -> bool:
    """Whether the page's script reads this number from the text: it needs no key then."""
    try:
        return math.isclose(float(shown), key, rel_tol=1e-3)
    except ValueError:
        return False
