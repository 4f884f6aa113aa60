"""Read options from a URL such as ``twilio://SID:TOKEN@?from=%2B12025550100``."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sms.message import Channel


class BadProviderURL(ValueError):
    """A URL that cannot be used. The text says what to change, and holds no secret."""


class FromUrl:
    """A class whose ``__init__`` takes the options of a URL; see ``options_from_url``.

    The annotation of an option (``str``, ``float``, ``int``) decides how its value is parsed. ``url_names``
    maps other parts of the URL, such as ``user``, and names that are Python keywords, to options.
    """

    scheme: ClassVar[str]
    url_names: ClassVar[Mapping[str, str]] = {}


def is_yes(alias: str, option: str, value: str) -> bool:
    """Whether an option is ``yes``; "" means that it was not given. Raises ``BadProviderURL`` for others."""
    if value not in ("", "yes"):
        raise BadProviderURL(f"{alias}: {option}= takes only yes.")
    return value == "yes"


def read_channel(alias: str, value: str) -> Channel:
    """The channel of an option ``channel=``; "" is SMS. Raises ``BadProviderURL``, also for e-mail."""
    known = [channel.value for channel in Channel if channel is not Channel.EMAIL]
    if value and value not in known:
        raise BadProviderURL(f"{alias}: channel= takes one of {', '.join(known)}.")
    return Channel(value or "sms")


def read_url(alias: str, url: str) -> tuple[SplitResult, list[tuple[str, str]]]:
    """The parts of a provider's URL, and the options of its query. Raises ``BadProviderURL``."""
    if "#" in url:
        raise BadProviderURL(f"{alias}: a # ends the URL, and the rest would be lost. Write it as %23.")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only now
    except ValueError:
        raise BadProviderURL(f"{alias}: the URL cannot be read. Is its host or port malformed?") from None
    options = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in options]
    if twice := sorted({_shown(name) for name in names if names.count(name) > 1}):
        raise BadProviderURL(f"{alias}: {', '.join(twice)} is given twice. Give each option once.")
    return parts, options


def _shown(name: str) -> str:
    """``name`` if it looks like an option. Anything else may be the rest of a secret with an & in it."""
    return f"{name}=" if re.fullmatch(r"[a-z_]{2,20}", name) else "an option"


def options_from_url(cls: type[FromUrl], alias: str, url: str) -> dict[str, Any]:
    """The keyword arguments for ``cls`` that ``url`` holds. Raises ``BadProviderURL``."""
    parts, query = read_url(alias, url)
    host = parts.netloc.rpartition("@")[2]
    found: list[tuple[str, str]] = [
        (name, unquote(value))
        for name, value in (
            ("user", parts.username),
            ("password", parts.password),
            ("host", host),
            ("path", parts.path.removesuffix("/") and parts.path),
        )
        if value
    ]
    found += query
    known = options_of(cls)
    options: dict[str, Any] = {}
    for name, value in found:
        option = cls.url_names.get(name, name)
        if option not in known:
            names = sorted(
                {*known, *cls.url_names} - {"user", "password", "host", "path"} - set(cls.url_names.values())
            )
            looks = _shown(name) == f"{name}="
            problem = (
                f"has no option {name!r}" if looks else "has no such option; write an & in a value as %26"
            )
            raise BadProviderURL(f"{alias}: {cls.scheme} {problem}. It has: {', '.join(names)}.")
        if option in options:
            raise BadProviderURL(f"{alias}: {name} is in the URL twice. Give it once.")
        try:
            options[option] = known[option](value)
        except ValueError:
            raise BadProviderURL(f"{alias}: {name} must be a number.") from None
    for option, parameter in _parameters(cls).items():
        if parameter.default is parameter.empty and option not in options:
            raise BadProviderURL(
                f"{alias}: {cls.scheme} needs {option}. See `manage.py providers {cls.scheme}`."
            )
    return options


def options_of(cls: type[FromUrl]) -> dict[str, type]:
    """The options of a URL for ``cls``, with the type of each."""
    return {name: parameter.annotation for name, parameter in _parameters(cls).items()}


def _parameters(cls: type[FromUrl]) -> dict[str, inspect.Parameter]:
    """The keyword arguments of ``__init__`` in ``cls`` and its bases, with types as annotations. The subclass
    wins.
    """
    found: dict[str, inspect.Parameter] = {}
    for init in (vars(base)["__init__"] for base in reversed(cls.__mro__[:-1]) if "__init__" in vars(base)):
        hints = typing.get_type_hints(init)
        for name, parameter in inspect.signature(init).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and name != "pool_size":
                found[name] = parameter.replace(annotation=hints[name])
    return found
