"""HTML for notebooks: small tables that are readable in light and dark themes, with all text
escaped.

There is no style sheet: a notebook shows each output by itself, and some remove ``<style>``.
Colours are the theme's own, or half transparent.
"""

import html
from collections.abc import Iterable, Sequence
from functools import partial

from paceline.core.texts import on_one_line

_LONGEST = 200  # characters of one cell
_LINE = "1px solid rgba(128, 128, 128, 0.35)"
_TABLE = "border-collapse: collapse; margin: 0.3em 0; font-size: 0.9em"


def text(value: object, longest: int = _LONGEST) -> str:
    """A value as escaped text on one line; numbers have four significant digits, NaN none."""
    if value is None or value != value:
        return ""
    shown = f"{value:.4g}" if isinstance(value, float) else on_one_line(str(value))
    if len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    return html.escape(shown)


def paragraph(sentence: str) -> str:
    """A sentence of any length."""
    return f'<div style="margin: 0.2em 0">{text(sentence, len(sentence))}</div>'


def heading(title: str) -> str:
    """A line in bold type."""
    return f'<div style="margin: 0.2em 0; font-weight: bold">{text(title)}</div>'


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, numbers aligned to the right; nothing if there are no rows."""
    listed = list(rows)
    if not listed:
        return ""
    sides = list(map(_side, listed[0]))  # headings stand where their column does
    head = "".join(map(partial(_cell, "th"), headings, sides))
    lines = "".join(f"<tr>{''.join(map(partial(_cell, 'td'), row, sides))}</tr>" for row in listed)
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def facts(values: Iterable[tuple[str, object]]) -> str:
    """Names with their values, one below the other; None, NaN and empty texts are left out."""
    rows = "".join(
        f"<tr>{_cell('th', name, 'left')}{_cell('td', value, 'left')}</tr>"
        for name, value in values
        if text(value)
    )
    return f'<table style="{_TABLE}"><tbody>{rows}</tbody></table>' if rows else ""


def bar(fraction: float | None) -> str:
    """A progress bar; of an unknown fraction one that is not filled."""
    value = "" if fraction is None else f' value="{min(1.0, max(0.0, fraction)):.4f}"'
    return f'<progress max="1"{value} style="width: 20em; vertical-align: middle"></progress>'


def _side(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "right" if is_number else "left"


def _cell(tag: str, value: object, side: str) -> str:
    style = f"text-align: {side}; padding: 0.2em 0.7em; border-bottom: {_LINE}"
    return f'<{tag} style="{style}">{text(value)}</{tag}>'
