"""Prepare our pages for MkDocs. They are also written for the repository's own viewer.

- CONTRIBUTING.md and its like become pages, though they lie outside of ``docs``.
- A link to any other file of the repository leads to a copy of it in the site.
- Lists and tables are written as Python-Markdown reads them.
- Nothing may be loaded from elsewhere: a page that would do so ends the build.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent

#: Pages that lie outside of ``docs``, by their addresses in the site.
OUTSIDE = {
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "report-a-hole.md": "SECURITY.md",  # docs/security.md is another
}

_VENDORS = ROOT / "docs" / "vendors"

_FENCE = re.compile(r"^ *(```|~~~)")
_ITEM = re.compile(r"([-*+]|\d+\.) +")
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^()\s#]+)")
#: Addresses that a browser loads by itself. Links to follow are not among them.
_LOADED = [
    re.compile(rf"{before}[\"']?((?:https?:)?//[^\"')\s>]+)")
    for before in (
        r"<(?:script|img|iframe|source|audio|video)\b[^>]*?\ssrc=",
        r"<link\b(?![^>]*rel=[\"']?canonical)[^>]*?\shref=",
        r"url\(",
        r"@import ",
    )
]


def on_config(config: Any) -> None:
    """Put each vendor's page into the navigation, where mkdocs.yml does not list it."""
    pages = sorted((path.read_text()[2:].partition("\n")[0], path.name) for path in _VENDORS.glob("*.md"))
    (how_to,) = (section["How to"] for section in config["nav"] if "How to" in section)
    (place,) = (entry for entry in how_to if "Vendors" in entry)
    place["Vendors"] = [{title: f"vendors/{name}"} for title, name in sorted(pages, key=_by_title)]


def _by_title(page: tuple[str, str]) -> str:
    return page[0].lower()


def on_files(files: Files, config: Any) -> Files:
    for address, name in OUTSIDE.items():
        files.append(File.generated(config, address, abs_src_path=str(ROOT / name)))
    pages = {_origin(file.src_uri): file.src_uri for file in files.documentation_pages()}
    here = {_origin(file.src_uri) for file in files if file.inclusion.is_included()}
    for origin in list(pages):
        for target in _targets(origin):
            if target not in {*pages, *here, "README.md"} and (ROOT / target).is_file():
                here.add(target)
                files.append(File.generated(config, _copy(target), abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    origin = _origin(page.file.src_uri)
    known = {_origin(file.src_uri): file.src_uri for file in files if file.inclusion.is_included()}
    known["README.md"] = "index.md"

    def led(link: re.Match[str]) -> str:
        target = _joined(origin, link[1])
        found = known.get(target) or (_copy(target) if (ROOT / target).is_file() else "")
        return posixpath.relpath(found, posixpath.dirname(page.file.src_uri) or ".") if found else link[1]

    lines = _indented(markdown.split("\n"))
    return "\n".join(line if code else _LINK.sub(led, _unescaped(line)) for line, code in lines)


def on_post_build(config: Any) -> None:
    site = Path(config["site_dir"])
    found = [
        f"{path.relative_to(site)}: {address}"
        for path in [*site.rglob("*.html"), *site.rglob("*.css")]
        for pattern in _LOADED
        for address in pattern.findall(path.read_text())
    ]
    if found:
        raise PluginError("These would be loaded from elsewhere:\n" + "\n".join(found))


def _origin(address: str) -> str:
    """Where in the repository the file of the site lies."""
    return OUTSIDE.get(address, f"docs/{address}")


def _copy(target: str) -> str:
    """The address of the copy, a text file that browsers show. MkDocs leaves out names with a leading dot."""
    return f"source/{target.lstrip('.')}.txt"


def _joined(origin: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def _targets(origin: str) -> Iterator[str]:
    for link in _LINK.findall((ROOT / origin).read_text()):
        yield _joined(origin, link)


def _unescaped(line: str) -> str:
    """GitHub wants a bar in a cell escaped even within code; here it would show."""
    if not line.startswith("|"):
        return line
    return re.sub(r"`[^`]+`", lambda code: code[0].replace("\\|", "|"), line)


def _indented(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is code. Indents four spaces a level, and puts a blank line before lists."""
    columns: list[int] = []  # where the text of each open item begins
    fence = ""
    blank = True  # the line before
    for line in lines:
        bare = line.lstrip(" ")
        column = len(line) - len(bare)
        item = None if fence else _ITEM.match(bare)
        if item and not blank and not columns:
            yield "", False
        while bare and not fence and columns and column < columns[-1]:
            columns.pop()
        own = max(column - (columns[-1] if columns else 0), 0)
        yield (" " * (4 * len(columns) + own) + bare if bare else ""), bool(fence)
        if found := _FENCE.match(line):
            fence = "" if fence == found[1] else fence or found[1]
        elif item:
            columns.append(column + len(item[0]))
        blank = not bare
