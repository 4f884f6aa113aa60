"""A line chart as SVG, for the docs: readable in light and dark, no library, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 64, 48

#: Colours of the lines; each stands out on white and on black.
COLORS = ("#c2410c", "#2563eb", "#0f766e")
DASHES = ("", "7 4", "2 3")


@dataclass(frozen=True, slots=True)
class Line:
    """One of the chart's lines: what it is, and its values."""

    name: str
    values: Sequence[float]


def chart(title: str, across: Sequence[float], lines: Sequence[Line], *, mark: tuple[float, str]) -> str:
    """``across``: the values of the axis at the bottom; the other one is logarithmic.

    ``mark``: a place at the bottom, and what is there.
    """
    values = [value for line in lines for value in line.values]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    right = max(across) * 1.02

    def x(value: float) -> float:
        return LEFT + value / right * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13"><title>{escape(title)}</title>',
        "<style>text{fill:#1f2937}.axis{stroke:#9ca3af}.back{fill:#fff}"
        "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.axis{stroke:#6b7280}.back{fill:#111827}}</style>",
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        at = y(10**power)
        parts.append(_line(LEFT, at, WIDTH - RIGHT, at, 'class="axis" stroke-width=".5"'))
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10**power:g}</text>')
    step = 10 ** floor(log10(right)) / 5
    while right / step > 8:
        step *= 2
    for number in range(int(right / step) + 1):
        at = x(number * step)
        parts.append(
            f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{number * step:g}</text>'
        )
    place, what = mark
    parts.append(
        _line(x(place), TOP, x(place), HEIGHT - BOTTOM, 'class="axis" stroke-dasharray="4 4"')
        + f'<text x="{x(place) - 6:.1f}" y="{HEIGHT - BOTTOM - 8}" text-anchor="end">'
        f"{escape(what)}: {place:g}</text>"
    )
    for place, line in enumerate(lines):
        points = " ".join(f"{x(a):.1f},{y(v):.1f}" for a, v in zip(across, line.values, strict=True))
        look = f'stroke="{COLORS[place]}" stroke-width="2.5" stroke-dasharray="{DASHES[place]}"'
        parts.append(f'<polyline fill="none" {look} points="{points}"/>')
        at = 46 + 18 * place
        parts.append(_line(LEFT + 12, at + 14, LEFT + 46, at + 14, look))
        parts.append(f'<text x="{LEFT + 54}" y="{at + 18}">{escape(line.name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _line(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'
