"""``python.md``: every public name of docs/public-names.md, with its signature and its docstring.

All of it is read from the source, so that no package has to be there.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.reference.words import anchor, code, joined, paragraph, prose, rows_of, table
from tests.starts import ROOT

INTRO = """
What a project may import. [Use it inside a Django project](../in-django.md) shows how to use it, and
[public names](../public-names.md) lists what else is public.

`Number` is a text in any usual spelling, or a `PhoneNumber` of `phonenumbers`. The signals have
[a page of their own](signals.md).
"""

#: Signals have a page of their own, with more.
_ELSEWHERE = {"otp.signals", "sms.signals"}

_WIDEST = 100

Defined = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.Module


class Found(NamedTuple):
    """A name where it is defined, and the lines of that file."""

    node: Defined
    lines: Sequence[str]


def page() -> str:
    index = [
        (code(module), ", ".join(f"[{code(name)}](#{anchor(f'{module}.{name}')})" for name in names))
        for module, names in modules().items()
    ]
    return joined(
        "# Python API",
        prose(INTRO),
        table(("import from", "names"), index),
        *(block for module, names in modules().items() for block in _module(module, names)),
    )


def modules() -> dict[str, list[str]]:
    """The names of each module, without the methods that the page lists with their class."""
    return {
        module: [name for name in names if find(module, name)]
        for module, names in rows_of("Python").items()
        if module not in _ELSEWHERE
    }


@cache
def find(module: str, name: str) -> Found | None:
    """Where ``name`` is defined, from where ``module`` may have imported it."""
    if (ROOT / module.replace(".", "/") / f"{name}.py").is_file():
        return Found(_tree(f"{module}.{name}"), ())
    lines = _file(module).read_text().splitlines()
    for node in _tree(module).body:
        match node:
            case ast.FunctionDef() | ast.ClassDef() if node.name == name:
                return Found(node, lines)
            case ast.Assign(targets=[ast.Name(id=found)]) | ast.AnnAssign(target=ast.Name(id=found)):
                if found == name:
                    return Found(node, lines)
            case ast.Assign(targets=[ast.Tuple() as names], value=ast.Tuple() as values):
                for target, value in zip(names.elts, values.elts, strict=True):
                    match target, value:
                        case ast.Name(id=found), ast.Attribute(value=ast.Name(id=alias), attr=other):
                            if found == name:
                                return find(_imported(module, alias), other)
            case ast.ImportFrom(module=str(other), names=imported):
                for one in imported:
                    if (one.asname or one.name) == name:
                        return find(other, one.name)
    return None


def _imported(module: str, alias: str) -> str:
    """The module that goes by this name in another one."""
    return next(
        f"{node.module}.{one.name}"
        for node in _tree(module).body
        if isinstance(node, ast.ImportFrom)
        for one in node.names
        if (one.asname or one.name) == alias
    )


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_file(module).read_text())


def _module(module: str, names: Sequence[str]) -> Iterator[str]:
    yield f"## {code(module)}"
    yield from _docstring(ast.get_docstring(_tree(module)))
    for name in names:
        found = find(module, name)
        assert found
        yield f"### {code(f'{module}.{name}')}"
        yield from _described(name, found)


def _file(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _described(name: str, found: Found) -> Iterator[str]:
    match found.node:
        case ast.FunctionDef() as function:
            yield _python(_signature(function, method=False))
            yield from _docstring(ast.get_docstring(function))
        case ast.ClassDef() as cls:
            yield _python(f"class {name}{_bases(cls)}")
            yield from _docstring(ast.get_docstring(cls))
            fields = list(_fields(cls, found.lines))
            yield from fields
            for method in () if fields else _methods(cls):
                yield _python(_signature(method, method=True))
                yield from _docstring(ast.get_docstring(method))
        case ast.Module() as module:
            yield from _docstring(ast.get_docstring(module))
        case node:
            yield _python(_plain(ast.unparse(node)))
            if said := _comment(node, found.lines):
                yield paragraph(said)


def _bases(cls: ast.ClassDef) -> str:
    bases = [ast.unparse(base) for base in cls.bases if not ast.unparse(base).startswith("_")]
    return f"({', '.join(bases)})" if bases else ""


def _methods(cls: ast.ClassDef) -> list[ast.FunctionDef]:
    """The methods with a docstring. Others do what their base says."""
    functions = [node for node in cls.body if isinstance(node, ast.FunctionDef)]
    return [one for one in functions if not one.name.startswith("_") and ast.get_docstring(one)]


def _fields(cls: ast.ClassDef, lines: Sequence[str]) -> Iterator[str]:
    """The fields of a dataclass, or the members of an enumeration."""
    annotated = [node for node in cls.body if isinstance(node, ast.AnnAssign)]
    if annotated:
        rows = [
            (
                code(ast.unparse(node.target)),
                code(_plain(ast.unparse(node.annotation))),
                _default(node.value),
                _comment(node, lines),
            )
            for node in annotated
            if ast.unparse(node.annotation) != "KW_ONLY"
        ]
        yield table(("field", "type", "default", ""), rows)
    elif any("Enum" in ast.unparse(base) for base in cls.bases):
        members = [node for node in cls.body if isinstance(node, ast.Assign)]
        named = [
            (code(ast.unparse(node.targets[0])), _default(node.value), _comment(node, lines))
            for node in members
        ]
        yield table(("member", "value", ""), named)


def _default(value: ast.expr | None) -> str:
    match value:
        case None:
            return ""
        case ast.Call(func=ast.Name(id="field"), keywords=words):
            given = [word.value for word in words if word.arg in ("default", "default_factory")]
            return _default(given[0]) if given else ""
        case _:
            return code(_plain(ast.unparse(value)))


def _comment(node: ast.stmt, lines: Sequence[str]) -> str:
    """The comment behind it, or in the lines above it."""
    _, found, behind = lines[(node.end_lineno or node.lineno) - 1][node.end_col_offset or 0 :].partition("# ")
    if found:
        return _markdown(behind)
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith("#"):
            break
        above.insert(0, line.strip().lstrip("#:").strip())
    return _markdown(" ".join(above))


def _signature(function: ast.FunctionDef, *, method: bool) -> str:
    """On one line if it fits, else with a line for each argument."""
    arguments = function.args
    if method and arguments.args:
        arguments.args = [one for one in arguments.args if one.arg not in ("self", "cls")]
    returns = f" -> {_plain(ast.unparse(function.returns))}" if function.returns else ""
    given = _plain(ast.unparse(arguments))
    line = f"{function.name}({given}){returns}"
    if len(line) <= _WIDEST:
        return line
    parts = re.split(r", (?=\*|\w+[:=,]|\w+$)", given)
    return "\n".join([f"{function.name}(", *(f"    {part}," for part in parts), f"){returns}"])


def _plain(text: str) -> str:
    """Without the names of our own modules, and with defaults as people write them."""
    text = re.sub(r"\b(given|dataclasses|structlog)\.", "", text)
    text = re.sub(r"('(?:[^'\\]|\\.)*')", lambda found: found[1].replace("'", '"'), text)
    return re.sub(r": ((?:\[[^]]*\]|[^=,()\[])+?)=", r": \1 = ", text)


def _docstring(text: str | None) -> Iterator[str]:
    """Its paragraphs; what is indented, or a drawing, is shown as it stands."""
    for block in (text or "").split("\n\n"):
        if "── " in block:
            yield "```text\n" + textwrap.dedent(block).replace("``", "") + "\n```"
        elif block.startswith("    "):
            yield f"```python\n{textwrap.dedent(block)}\n```"
        elif block.startswith("- "):
            yield "\n".join(_markdown(" ".join(item.split())) for item in re.split(r"\n(?=- )", block))
        elif block:
            lines = block.split("\n")
            at = next((at for at, line in enumerate(lines) if line.startswith("    ")), len(lines))
            yield _paragraph(_markdown(" ".join(lines[:at])))
            if at < len(lines):
                yield "```text\n" + textwrap.dedent("\n".join(lines[at:])) + "\n```"


def _paragraph(text: str) -> str:
    """A list, if ``text`` says something of each argument; else one paragraph."""
    parts = re.split(r"(?<=[.;]) (?=`\w+`: )", text)
    if len(parts) == 1 or not re.match(r"`\w+`: ", text):
        return paragraph(text)
    return "\n".join(f"- {part.rstrip(';')}" for part in parts)


def _markdown(text: str) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def _python(text: str) -> str:
    return f"```python\n{text}\n```"
