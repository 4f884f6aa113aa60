"""Providers: each file here speaks one vendor's wire format, both ways.

A provider knows no Django, no settings and no Redis: it gets options out of its URL, hands one
SMS over, and reads the vendor's receipts. ``CONTRIBUTING.md`` says how to add one.

A vendor's file has the name of its scheme, with _ for -; ``https`` and ``smpps`` stand in the file of the
scheme without their last letter. A long vendor keeps the half that reads its callbacks in a file such as
``aws_receipts.py``, and what its products share in one such as ``twilio_account.py``: their classes have no
scheme. Only the files of vendors that are used are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from sms.providers.base import Provider
from sms.providers.url import BadProviderURL, options_from_url


@cache
def provider_classes() -> Mapping[str, type[Provider]]:
    """Every provider that there is, by its scheme."""
    found = (_classes(module.name) for module in iter_modules(__path__))
    return {scheme: cls for classes in found for scheme, cls in sorted(classes.items())}


def from_url(alias: str, url: str, *, pool_size: int = 10) -> Provider:
    """Make the provider that ``url`` describes.

    ``pool_size``: how many calls run at once; an HTTP provider keeps as many connections open.
    Raises ``BadProviderURL``, whose text names the alias and the mend and never holds a secret.
    """
    scheme, separator, _ = url.partition("://")
    cls = _of(scheme) if separator else None
    if cls is None:
        raise BadProviderURL(
            f"{alias}: {scheme if separator else 'the URL'} is no provider. "
            f"Write alias=SCHEME://... with one of {', '.join(sorted(provider_classes()))}."
        )
    return cls(alias, pool_size=pool_size, **options_from_url(cls, alias, url))


def _of(scheme: str) -> type[Provider] | None:
    files = {module.name for module in iter_modules(__path__)}
    for name in (scheme.replace("-", "_"), scheme.removesuffix("s")):
        if name in files and (cls := _classes(name).get(scheme)):
            return cls
    return None


def _classes(module: str) -> dict[str, type[Provider]]:
    """The providers that a file of this folder defines, by their schemes."""
    name = f"{__name__}.{module}"
    found = vars(import_module(name)).values()
    return {
        cls.scheme: cls
        for cls in found
        if isinstance(cls, type)
        and issubclass(cls, Provider)
        and cls.__module__ == name
        and "scheme" in vars(cls)
    }
