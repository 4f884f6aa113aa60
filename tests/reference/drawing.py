"""A picture as SVG for the docs: readable in light and dark and on a phone, without a library or a script."""

from __future__ import annotations

from html import escape

#: The width of every picture: readable on a phone, and GitHub and the site show it no wider.
WIDTH = 460

#: How much fits into a line of text, about: the fonts differ.
_LETTER = 6.6

_STYLE = """
.paper{fill:#fffefb;stroke:#d6d3cb}.band{fill:#f0efe9}.box{fill:#fff;stroke:#8b918a}.ink{fill:#1f2937}.soft{fill:#5b6472}
.line{stroke:#8b918a}.good{fill:#0f766e}.bad{fill:#b4380b}.wait{fill:#1d4ed8}.halo{stroke:#f0efe9}
.to-ink{stroke:#1f2937}.to-good{stroke:#0f766e}.to-bad{stroke:#b4380b}.to-wait{stroke:#1d4ed8}.on{fill:#fff}
@media(prefers-color-scheme:dark){
.paper{fill:#111615;stroke:#343c39}.band{fill:#1a211f}.box{fill:#242d2a;stroke:#7d8a85}.ink{fill:#e5e7eb}.soft{fill:#a3adab}
.line{stroke:#6b7774}.good{fill:#5eead4}.bad{fill:#fdba74}.wait{fill:#93c5fd}.halo{stroke:#1a211f}
.to-ink{stroke:#e5e7eb}.to-good{stroke:#5eead4}.to-bad{stroke:#fdba74}.to-wait{stroke:#93c5fd}.on{fill:#111615}}
""".strip().replace("\n", "")


class Picture:
    """A picture as it is drawn. ``kind`` is ``ink``, ``good``, ``bad`` or ``wait``."""

    def __init__(self, title: str, description: str) -> None:
        self.title, self.description = title, description
        self.parts: list[str] = []

    def svg(self, height: float) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
            f'viewBox="0 0 {WIDTH} {height:g}" role="img" aria-labelledby="title description" '
            'font-family="system-ui, -apple-system, sans-serif" font-size="13">'
        )
        told = (
            f'<title id="title">{escape(self.title)}</title>'
            f'<desc id="description">{escape(self.description)}</desc>'
        )
        paper = (
            f'<rect class="paper" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8"/>'
            f'<text class="ink" x="16" y="28" font-size="16" font-weight="600">{escape(self.title)}</text>'
        )
        return "\n".join([head, told, f"<style>{_STYLE}</style>", paper, *self.parts, "</svg>", ""])

    def band(self, top: float, height: float) -> None:
        self.parts.append(
            f'<rect class="band" x="8" y="{top:g}" width="{WIDTH - 16}" height="{height:g}" rx="6"/>'
        )

    def text(
        self, x: float, y: float, words: str, kind: str = "ink", *, anchor: str = "start", bold: bool = False
    ) -> None:
        more = ' font-weight="600"' if bold else ""
        if anchor != "start":
            more += f' text-anchor="{anchor}"'
        self.parts.append(f'<text class="{kind}" x="{x:g}" y="{y:g}"{more}>{escape(words)}</text>')

    def label(self, x: float, y: float, words: str) -> None:
        """Around ``x``, but within the picture; lines behind it are kept away from its letters."""
        half = len(words) * _LETTER / 2
        middle = min(max(x, 36 + half), WIDTH - 14 - half)
        self.parts.append(
            f'<text class="ink halo" x="{middle:g}" y="{y:g}" text-anchor="middle" '
            f'stroke-width="5" stroke-linejoin="round" paint-order="stroke">{escape(words)}</text>'
        )

    def line(
        self, x1: float, y1: float, x2: float, y2: float, kind: str = "line", *, dashes: str = ""
    ) -> None:
        more = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(f'<path class="{kind}" d="M{x1:g} {y1:g}L{x2:g} {y2:g}"{more} fill="none"/>')

    def arrow(self, *points: tuple[float, float], kind: str = "ink", dashes: str = "") -> None:
        """Along the points; its head lies at the last one."""
        (x1, y1), (x2, y2) = points[-2:]
        along = abs(x2 - x1) + abs(y2 - y1)
        dx, dy = (x2 - x1) / along, (y2 - y1) / along
        way = "L".join(f"{x:g} {y:g}" for x, y in (*points[:-1], (x2 - 6 * dx, y2 - 6 * dy)))
        more = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(f'<path class="to-{kind}" d="M{way}" fill="none" stroke-width="1.5"{more}/>')
        x, y = x2 - 8 * dx, y2 - 8 * dy
        wings = f"{x - 4 * dy:g} {y - 4 * dx:g}L{x + 4 * dy:g} {y + 4 * dx:g}"
        self.parts.append(f'<path class="{kind}" d="M{x2:g} {y2:g}L{wings}Z"/>')

    def box(self, x: float, y: float, width: float, height: float, kind: str = "box") -> None:
        self.parts.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'
        )

    def number(self, x: float, y: float, number: int) -> None:
        self.parts.append(
            f'<circle class="good" cx="{x:g}" cy="{y:g}" r="9"/>'
            f'<text class="on" x="{x:g}" y="{y + 4:g}" text-anchor="middle" font-size="11" font-weight="600">'
            f"{number}</text>"
        )
