"""Draws the claims as an SVG: how far each is on the right side of its bound. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.claims import Claim, Row

_LABELS_PX = 480
_AXIS_PX = 380
_FIGURES_PX = 230
_LINE_PX = 26
_TOP_PX = 56
_LEAST, _MOST = 0.25, 8.0
_TICKS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_GREEN, _RED, _INK, _PALE = "#1a7f37", "#cf222e", "#1f2328", "#d0d7de"


def draw(rows: Sequence[Row]) -> str:
    """The SVG: a line per claim, with a dot at the median and a bar over the rounds, on a logarithmic axis."""
    lines: list[str] = []
    y = _TOP_PX
    for row in rows:
        lines.append(_text(12, y, row.title, weight="bold"))
        y += _LINE_PX
        for claim in row.claims:
            lines += _draw_claim(claim, y)
            y += _LINE_PX
        y += _LINE_PX // 2
    width, height = _LABELS_PX + _AXIS_PX + _FIGURES_PX, y
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{_INK}">'
    )
    return "\n".join(
        [head, '<rect width="100%" height="100%" fill="white"/>', *_draw_axis(height), *lines, "</svg>", ""]
    )


def _draw_axis(height: int) -> list[str]:
    lines = [_text(_x(1.0), 18, "the bound = 1; further right is better", anchor="middle")]
    for tick in _TICKS:
        x, color = _x(tick), _INK if tick == 1 else _PALE
        lines.append(f'<line x1="{x:.1f}" y1="40" x2="{x:.1f}" y2="{height - 12}" stroke="{color}"/>')
        lines.append(_text(x, 36, f"{tick:g}", anchor="middle"))
    return lines


def _draw_claim(claim: Claim, y: int) -> list[str]:
    color = _GREEN if claim.holds else _RED
    margins = sorted(claim.margin(value) for value in claim.values)
    least, most, median = _x(margins[0]), _x(margins[-1]), _x(claim.margin(claim.median))
    middle = y - 4
    return [
        _text(24, y, claim.text),
        f'<line x1="{least:.1f}" y1="{middle}" x2="{most:.1f}" y2="{middle}" stroke="{color}" stroke-width="3"/>',
        f'<circle cx="{median:.1f}" cy="{middle}" r="5" fill="{color}"/>',
        _text(_LABELS_PX + _AXIS_PX + 14, y, f"{claim.show(claim.median)} ({claim.sense} {claim.show(claim.bound)})"),
    ]


def _x(margin: float) -> float:
    inside = min(max(margin, _LEAST), _MOST)
    return _LABELS_PX + _AXIS_PX * math.log(inside / _LEAST) / math.log(_MOST / _LEAST)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
