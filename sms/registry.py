"""The configured providers, made once per process from ``SMS_PROVIDERS``.

Three options of a URL belong to the alias and not to the vendor: ``rate`` (messages a second),
``segment_rate`` (parts a second, as carriers count) and ``share`` (of a worker's slots).
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf
from sms.providers import from_url
from sms.providers.base import BadProviderURL, ClearProvider, Provider, read_url

#: What one alias may take of a worker's slots where there is another one. Of 80 slots two healthy aliases
#: use 75 together, and the other one has 15 while one hangs with 60.
SHARE = 0.75

#: Seconds for which a message keeps a thread to itself until a slot is free, if one is likely to be by
#: then. Under load that takes milliseconds; where calls hang, threads are needed for other messages.
FOR_A_SLOT = 0.3


class Slots:
    """The calls that one worker process makes at once, of all its aliases together."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0
        self.changed = threading.Condition()
        self._waiting = 0
        self._given_back: deque[float] = deque(maxlen=8)  # when the latest ones were, the oldest first

    def give_back(self) -> None:
        """A call has ended. The caller holds ``changed``."""
        self._given_back.append(time.monotonic())
        self.changed.notify()

    def wait_for(self, free: Callable[[], bool]) -> bool:
        """Wait until ``free()``, where that will not take long. The caller holds ``changed``."""
        if free():
            return True
        if not self._given_back:
            return False
        pace = (time.monotonic() - self._given_back[0]) / len(self._given_back)
        if pace * (self._waiting + 1) > FOR_A_SLOT:
            return False
        self._waiting += 1
        try:
            return self.changed.wait_for(free, FOR_A_SLOT)
        finally:
            self._waiting -= 1


class Alias:
    """One configured provider: what calls it, how fast, and how many calls at once.

    ``share``: the part of ``slots`` that it may hold of those that the others leave. So with any number
    of aliases that hang some stay free: with shares of 0.75 one holds 75 % at most, two together
    94 %, three 98 %, and less as their calls end.
    """

    def __init__(
        self, provider: Provider, *, slots: Slots, rate: float = 0.0, segment_rate: float = 0.0, share: float
    ) -> None:
        self.name = provider.alias
        self.provider = provider
        self._slots = slots
        self._share = share
        self._rate = rate
        self._segment_rate = segment_rate
        self._taken = 0

    def takes(self, parts: int = 1) -> float:
        """Seconds of the rate that a message of so many parts takes, 0 without a rate."""
        if self._rate:
            return 1 / self._rate
        return parts / self._segment_rate if self._segment_rate else 0.0

    @property
    def has_slot(self) -> bool:
        """Whether this worker may call it once more just now. One call may always be."""
        others = self._slots.taken - self._taken
        return self._taken + 1 <= max(1, self._share * (self._slots.count - others))

    @contextmanager
    def slot(self) -> Iterator[bool]:
        """Hold one slot; False if none is free, as another thread was quicker."""
        with self._slots.changed:
            held = int(self._slots.wait_for(lambda: self.has_slot))
            self._taken += held
            self._slots.taken += held
        try:
            yield bool(held)
        finally:
            with self._slots.changed:
                self._taken -= held
                self._slots.taken -= held
                if held:
                    self._slots.give_back()

    @staticmethod
    def wait_for_slot(wanted: Sequence[Alias]) -> None:
        """Wait until one of these has a slot, if that will not take long."""
        slots = wanted[0]._slots
        with slots.changed:
            if slots.wait_for(lambda: any(alias.has_slot for alias in wanted)):
                slots.changed.notify()  # it is not taken yet: whoever waits for another alias may go too


def providers() -> Mapping[str, Provider]:
    """alias → provider, in the order of the setting. Raises ``ImproperlyConfigured``."""
    return {name: alias.provider for name, alias in aliases().items()}


def aliases() -> Mapping[str, Alias]:
    """Every alias by its name, in the order of the setting. Raises ``ImproperlyConfigured``."""
    found = _made(tuple(conf.get("SMS_PROVIDERS").items()), bool(settings.DEBUG))
    if not found:
        raise ImproperlyConfigured(
            "SMS_PROVIDERS names no provider. The README's table has them; console:// is one for development."
        )
    return found


def work_with(concurrency: int) -> None:
    """Tell how many messages this process hands over at once: what a worker was started with."""
    global _concurrency
    _concurrency = concurrency
    _made.cache_clear()


_concurrency = 0  # not known: the setting, or what a process that is no worker needs


@lru_cache(maxsize=8)
def _made(urls: tuple[tuple[str, str], ...], debug: bool) -> Mapping[str, Alias]:
    # A worker runs this many calls at once, and each wants a connection of its own.
    slots = Slots(_concurrency or getattr(settings, "CELERY_WORKER_CONCURRENCY", None) or 10)
    try:
        found = {name: _alias(name, url, slots, alone=len(urls) == 1) for name, url in urls}
        if not debug:
            _require_sealed(alias.provider for alias in found.values())
        return found
    except BadProviderURL as error:
        raise ImproperlyConfigured(f"SMS_PROVIDERS: {error}") from None


def _require_sealed(found: Iterable[Provider]) -> None:
    """In production nothing is written in clear that nobody asked to have so."""
    for provider in found:
        if isinstance(provider, ClearProvider) and not provider.is_wanted:
            raise BadProviderURL(
                f"{provider.alias}: {provider.scheme}:// writes numbers and codes in clear, which only "
                f"development may. Name a real provider, or say that it is wanted: {provider.example}."
            )


def _alias(name: str, url: str, slots: Slots, *, alone: bool) -> Alias:
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):  # it stands in routes and in the address of receipts
        raise BadProviderURL(f"{name!r} is no alias; write letters from a to z, digits, - and _.")
    ours = {"rate": 0.0, "segment_rate": 0.0, "share": 1.0 if alone else SHARE}
    _, options = read_url(name, url)
    ours |= {option: _number(name, option, value) for option, value in options if option in ours}
    if ours["rate"] and ours["segment_rate"]:
        raise BadProviderURL(f"{name}: give either rate= or segment_rate=.")
    if ours["share"] > 1:
        raise BadProviderURL(f"{name}: share= is a part of the slots, over 0 and at most 1.")
    theirs = [(option, value) for option, value in options if option not in ours]
    if len(theirs) < len(options):
        url = f"{url.partition('?')[0]}?{urlencode(theirs)}"
    return Alias(
        from_url(name, url, pool_size=slots.count),
        slots=slots,
        rate=ours["rate"],
        segment_rate=ours["segment_rate"],
        share=ours["share"],
    )


def _number(name: str, option: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < 1e9:
        raise BadProviderURL(f"{name}: {option}= must be a number over 0.")
    return number
