"""Providers. Each file speaks the wire format of one vendor, in both directions.

A provider knows nothing of Django, settings or Redis. It takes its options from a URL, sends a message, and
reads the vendor's receipts. CONTRIBUTING.md shows how to add one.

A file is named after its scheme, with ``_`` for ``-``. ``https`` and ``smpps`` live in ``http.py`` and
``smpp.py``. A long vendor moves the half that reads callbacks to a file such as ``aws_receipts.py``. What
several products of a vendor share goes to one such as ``twilio_account.py``. Classes there have no scheme.

Only the files of configured vendors are imported.
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
    """Every provider class, by its scheme."""
    found = (_classes(module.name) for module in iter_modules(__path__))
    return {scheme: cls for classes in found for scheme, cls in sorted(classes.items())}


def from_url(alias: str, url: str, *, pool_size: int = 10) -> Provider:
    """Make the provider that ``url`` describes.

    ``pool_size``: how many calls may run at once; an HTTP provider keeps as many connections open.

    Raises ``BadProviderURL``. Its text names the alias and the fix, and never holds a secret.
    """
    scheme, separator, _ = url.partition("://")
    cls = _of(scheme) if separator else None
    if cls is None:
        raise BadProviderURL(
            f"{alias}: {scheme if separator else 'the URL'} is not a provider. "
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
    """The provider classes that a file in this folder defines, by their schemes."""
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
