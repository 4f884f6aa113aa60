"""Helpers to build requests and read answers: headers, numbers, words and paths.

Also the templates and word lists of ``http.py``, for gateways that options describe.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from string import Formatter
from typing import Any
from urllib.parse import parse_qsl

from sms.providers.url import BadProviderURL

FIELDS = ("to", "to_digits", "body", "sender", "id", "callback_url", "expires_in")

#: The name and value of a header (RFC 9110, 5.1 and 5.5), without bytes that could end the line.
HEADER = re.compile(r"([!#$%&'*+.^_`~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]+)")

#: A phone number (ITU-T E.164: at most 15 digits).
E164 = re.compile(r"\+[0-9]{1,15}")

#: Headers that frame or route a request. Only ``transport`` may set them.
FRAMING = frozenset({"connection", "content-length", "host", "transfer-encoding"})


def need(alias: str, holds: object, fix: str) -> None:
    """Refuse the URL unless ``holds`` is true. ``fix``: what to change. Raises ``BadProviderURL``."""
    if not holds:
        raise BadProviderURL(f"{alias}: {fix}")


def placeholders(alias: str, option: str, text: str, known: Collection[str]) -> set[str]:
    """The placeholders in ``text``. Errors do not repeat them, since they may be part of a secret."""
    try:
        found = [parsed[1:] for parsed in Formatter().parse(text) if parsed[1] is not None]
        if any(name not in known or spec or conversion for name, spec, conversion in found):
            raise ValueError
    except ValueError:
        names = ", ".join(f"{{{name}}}" for name in known)
        raise BadProviderURL(
            f"{alias}: {option}= takes only the placeholders {names}. Write any other brace twice."
        ) from None
    return {str(name) for name, _, _ in found}


def read_json(alias: str, text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict | list):
        raise BadProviderURL(f'{alias}: json= must be JSON such as {{"to":"{{to}}"%2C"text":"{{body}}"}}.')
    return found


def read_pairs(alias: str, option: str, text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise BadProviderURL(f"{alias}: {option}= must look like name=value%26name=value.") from None
    if len(dict(pairs)) < len(pairs):
        raise BadProviderURL(f"{alias}: {option}= gives a name twice. Give each once.")
    return dict(pairs)


def read_headers(alias: str, lines: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        match = HEADER.fullmatch(line)
        if not match or match[1].lower() in FRAMING:
            raise BadProviderURL(
                f"{alias}: headers= must look like Name: value|Name: value, in ASCII, without line breaks "
                "and without headers that frame the request. A token in the URL counts as a header."
            )
        if match[1].lower() in found:
            raise BadProviderURL(f"{alias}: headers= names {match[1]} twice. Name each header once.")
        placeholders(alias, "headers", match[2], ("id",))
        found[match[1].lower()] = match[2]
    return found


def read_words(alias: str, lists: Mapping[str, str]) -> dict[str, str]:
    """Map each word to the name of its list. Raises ``BadProviderURL`` for a word in two lists."""
    found: dict[str, str] = {}
    for name, words in lists.items():
        for word in words.split():
            if found.setdefault(word, name) != name:
                raise BadProviderURL(f"{alias}: {found[word]}= and {name}= list the same word.")
    return found


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from texts(child)


def fill(node: Any, values: Mapping[str, Any]) -> Any:
    """``node`` with its placeholders filled in, and without texts that come out empty.

    Only texts inside the parsed template change, so no value can inject syntax.
    """
    if isinstance(node, dict):
        return {name: fill(child, values) for name, child in node.items() if not _empty(child, values)}
    if isinstance(node, list):
        return [fill(child, values) for child in node if not _empty(child, values)]
    if node == "{expires_in}":
        return values["expires_in"]  # on its own it stays a number in JSON
    return node.format_map(values) if isinstance(node, str) else node


def _empty(node: Any, values: Mapping[str, Any]) -> bool:
    return isinstance(node, str) and node != "" and node.format_map(values) == ""


def basic(user: str, password: str) -> str:
    """The value of an ``Authorization`` header with Basic credentials (RFC 7617)."""
    return "Basic " + in_base64(f"{user}:{password}".encode())


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def at(node: Any, path: str) -> Any:
    """The value at ``path``; None if there is none."""
    if not path:
        return None
    for part in path.split("."):
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node


def alike(path: str, model: str) -> str:
    """``path`` with * for each index that it shares with the beginning of ``model``."""
    steps, models = path.split("."), model.split(".")
    shared = next((i for i, (a, b) in enumerate(zip(steps, models, strict=False)) if a != b), len(models))
    return ".".join("*" if i < shared and step.isdecimal() else step for i, step in enumerate(steps))


def lists(path: str) -> list[str]:
    """The paths of the lists that ``path`` visits element by element."""
    steps = path.split(".")
    return [".".join(steps[:i]) for i, step in enumerate(steps) if step == "*"]


def each(node: Any, paths: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The values at ``paths``, once for each element of the lists that they visit by a *."""
    head = next((lists(path)[0] for path in paths.values() if lists(path)), None)
    if head is None:
        yield {name: at(node, path) for name, path in paths.items()}
        return
    star = f"{head}.*" if head else "*"
    inner = {n: path[len(star) + 1 :] for n, path in paths.items() if f"{path}.".startswith(f"{star}.")}
    outer = {name: at(node, path) for name, path in paths.items() if name not in inner}
    for element in elements(at(node, head) if head else node):
        bare = {name: element for name, path in inner.items() if not path}
        below = {name: path for name, path in inner.items() if path}
        for found in each(element, below):
            yield outer | bare | found


def elements(node: Any) -> list[Any]:
    """The elements of a list. Some languages write a list with gaps as an object, so the values under numbers
    count, too. Anything else has none.
    """
    if isinstance(node, dict):
        return [element for name, element in node.items() if name.isdecimal()]
    return node if isinstance(node, list) else []


def holds_several(node: Any, path: str) -> bool:
    """Whether a list along ``path`` has other elements than the one that ``path`` takes."""
    steps = path.split(".")
    passed = (at(node, ".".join(steps[:i])) if i else node for i, s in enumerate(steps) if s.isdecimal())
    return any(len(elements(found)) > 1 for found in passed)


def word_of(node: Any) -> str:
    """A value of an answer as a word; "" for none. A list or an object becomes a word that no table lists."""
    if isinstance(node, bool):
        return "true" if node else "false"
    if node in (None, "", [], {}):
        return ""
    return str(node) if isinstance(node, str | int | float) else f"({type(node).__name__})"
