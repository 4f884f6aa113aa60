"""Lint the English of the docs, of templates and TOML, and of docstrings and comments in code.

A sentence has at most 35 words; split a longer one, or make it a list. Turns that sound translated are wrong
anywhere, even in a table. Code, headings, indented examples and the targets of links are skipped.
``readability`` measures the pages as a whole. The linter vale would fetch a program from elsewhere.

    python .ci/lint_prose.py [FILE ...]     # without a file: all of them
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import readability

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 35

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/**/*.md")
CODE = (
    *("manage.py", ".ci/*.py", "config/**/*.py"),
    *("otp/**/*.py", "otp/**/*.lua", "sms/**/*.py", "sms/**/*.lua", "tests/**/*.py"),
)
TEXTS = (
    *("config/templates/**/*.html", "otp/templates/**/*.html", "sms/templates/**/*.html"),
    *("otp/**/*.toml", "docs/**/*.toml"),
)
#: Files whose comments begin with #.
HASHED = (
    *(".ci/run", ".ci/check_examples", ".env.example", "Makefile", "Dockerfile", "pyproject.toml", "*.yml"),
    *(
        "docs/*.conf",
        "docs/*.cfg",
        "docs/Caddyfile",
        "docs/kubernetes/*.yaml",
        "docs/kubernetes/examples/*.yaml",
        "docs/systemd/*",
    ),
)

#: Turns that sound translated, as regular expressions.
TURNS = (
    *("as how many", "(?<!such )as (that|those) of", "of wh(ich|om) nobody", "would have died", "such a one"),
    *("belongs? to the (name|key)", "hangs? on (the|what)", "reckon(s|ed)? (with|from)", "for want of"),
    *("told as", "tells? of", "all the same", "so long the", "but for (the|what|ids)"),
    *("divided by (blanks|commas|dots)", "is to be had"),
    "(^|(?<=[.] ))what (stays|else|our own) ",
)

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

_FENCED = re.compile(r"^ *(```|~~~).*?^ *\1 *$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4}.*", re.MULTILINE)
_LUA_COMMENT = re.compile(r"--[^\"']*$")
_HASH_COMMENT = re.compile(r"^\s*(#+ .*)$")
#: In a template: hidden parts, a text to translate, a value, and tags inside a sentence.
_HIDDEN = re.compile(r"\{#.*?#\}|<(script|style)\b.*?</\1>", re.DOTALL)
_TRANSLATED = re.compile(r"\{% translate \"([^\"]*)\".*?%\}")
_VALUE = re.compile(r"\{\{.*?\}\}")
_INLINE = re.compile(r"\{%.*?%\}|</?(?:a|b|bdi|code|em|span|strong|time)\b[^>]*>", re.DOTALL)
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"")
#: The ends of a text: an empty line, an item of a list or a table, an argument before what it means.
_BLOCK = re.compile(
    r"\n\s*\n|\n(?= *(?:"
    r"(?:[-*+]|\d+\.|\|) |(?:KEYS|ARGV|Returns)\b|[a-z_]+: |\S+(?:, \S+)*(?: \(\w+\))? {2,}\S"
    r"))"
)
_END = re.compile(r"(?<=[.!?])[\"')\]]* +(?=[\"'(`\[A-Z0-9])")


def main() -> None:
    paths = [*map(Path, sys.argv[1:])] or sorted(_found(*PAGES, *CODE, *TEXTS, *HASHED))
    if wrong := [f"{path}:{fault}" for path in paths for fault in faults_in(path)]:
        sys.exit("\n".join(wrong))
    print(f"prose: {len(paths)} files are good")
    if not sys.argv[1:] and (wrong := readability.judge()):
        sys.exit("\n".join(wrong))


def _found(*globs: str) -> set[Path]:
    return {path for glob in globs for path in ROOT.glob(glob) if path.is_file()}


def faults_in(path: Path) -> Iterator[str]:
    for line, text in pieces(path):
        yield from faults(text, line)


def pieces(path: Path) -> Iterator[tuple[int, str]]:
    """Each run of prose in the file, with the line on which it begins."""
    text = path.read_text()
    if path.suffix == ".py":
        yield from _docstrings(ast.parse(text))
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        yield from _runs((*token.start, token.string) for token in tokens if token.type == tokenize.COMMENT)
    elif path.suffix == ".lua":
        found = (_LUA_COMMENT.search(line) for line in text.splitlines())
        yield from _runs((line, one.start(), one[0]) for line, one in enumerate(found, 1) if one)
    elif any(path.match(glob.replace("**/", "")) for glob in HASHED):
        found = (_HASH_COMMENT.search(line) for line in text.splitlines())
        yield from _runs((line, one.start(1), one[1]) for line, one in enumerate(found, 1) if one)
    elif path.suffix == ".html":
        yield from _shown(text)
    elif path.suffix == ".toml":
        lines = [*enumerate(text.splitlines(), 1)]
        yield from _runs((line, 0, one) for line, one in lines if one.startswith("#"))
        yield from ((line, string[1:-1]) for line, one in lines for string in _STRING.findall(one))
    else:
        yield 1, _FENCED.sub(_blank, text)


def _shown(template: str) -> Iterator[tuple[int, str]]:
    """The visible text, split at each tag that ends a sentence."""
    text = _TRANSLATED.sub(r"\1", _HIDDEN.sub(_blank, template))
    text = _INLINE.sub(_blank, _VALUE.sub("x", text))
    begins = 0
    for tag in re.finditer(r"<[^>]*>|$", text):
        yield text.count("\n", 0, begins) + 1, text[begins : tag.start()]
        begins = tag.end()


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and (docstring := ast.get_docstring(node, clean=False)):
            margin = re.compile(f"^ {{{node.body[0].col_offset}}}", re.MULTILINE)
            yield node.body[0].lineno, _INDENTED.sub(_blank, margin.sub("", docstring))


def _runs(comments: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, str]]:
    """Comments below each other in one column (line, column, text) are one text."""
    begins, text, next_one = 0, "", (0, 0)
    for line, column, comment in comments:
        if (line, column) != next_one:
            yield begins, text
            begins, text = line, ""
        text += comment.lstrip("#-:") + "\n"
        next_one = line + 1, column
    yield begins, text


def _blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def faults(text: str, first_line: int = 1) -> Iterator[str]:
    """The faults of a text, each with the line on which its paragraph begins."""
    text = text.replace("``", "`")
    begins = 0
    for found in [*_BLOCK.finditer(text), None]:
        block = text[begins : found.start() if found else None]
        line = text.count("\n", 0, begins + len(block) - len(block.lstrip())) + first_line
        begins = found.end() if found else begins
        plain = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "`x`", block)).replace("*", "")
        if plain.lstrip().startswith("#"):
            continue
        for turn in re.finditer(
            "|".join(rf"\b{turn}\b" for turn in TURNS), " ".join(plain.split()), re.IGNORECASE
        ):
            yield f"{line}: no English: {turn[0]}"
        for sentence in () if plain.lstrip().startswith("|") else _END.split(" ".join(plain.split())):
            words = sum(any(map(str.isalnum, word)) for word in sentence.split())
            if words > LONGEST:
                yield f"{line}: {words} words: {sentence}"


if __name__ == "__main__":
    main()
