"""Slots: the calls that a worker may make at once, and the share of them that one alias may take."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from sms.follow_ups import After
from sms.providers.base import Provider

#: Seconds for which a message keeps its thread while it waits for a slot, if one is likely to be free by
#: then. Under load that takes milliseconds. While calls hang, the thread is needed for other messages.
FOR_A_SLOT = 0.3


class Slots:
    """The calls that one worker process makes at once, over all aliases."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0
        self.changed = threading.Condition()
        self._waiting = 0
        self.given_back: deque[float] = deque(maxlen=8)  # when the latest slots were, oldest first

    def wait_for(self, free: Callable[[], bool]) -> bool:
        """Wait until ``free()``, unless that would take long. The caller holds ``changed``."""
        if free():
            return True
        if not self.given_back:
            return False
        pace = (time.monotonic() - self.given_back[0]) / len(self.given_back)
        if pace * (self._waiting + 1) > FOR_A_SLOT:
            return False
        self._waiting += 1
        try:
            return self.changed.wait_for(free, FOR_A_SLOT)
        finally:
            self._waiting -= 1


class Alias:
    """A configured provider, with its rate and its slots.

    ``share``: of the slots that other aliases leave, the part that this one may take. So some slots stay free
    however many aliases hang: with shares of 0.75 one alias has 75 % at most, two together 94 %, three 98 %,
    and less as their calls end.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        slots: Slots,
        rate: float = 0.0,
        segment_rate: float = 0.0,
        share: float,
        only_codes: bool = False,
        prices: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.name = provider.alias
        self.only_codes = only_codes or provider.needs_code
        self.provider = provider
        self.prices = prices  # of a code by country, "default" for others; {}: unknown
        self._slots = slots
        self._share = share
        self._taken = 0
        rates = {"messages": rate, "segments": segment_rate}
        self.rates = {unit: pace for unit, pace in rates.items() if pace}  # a second
        # Milliseconds of the rate that a message and a segment take.
        self._per_message = 1000 / rate if rate else 0.0
        self._per_segment = 1000 / segment_rate if segment_rate else 0.0

    def takes(self, parts: int) -> float:
        """Milliseconds of the rate that a message of so many parts takes; 0 without a rate."""
        return self._per_message + self._per_segment * parts

    def after(self, *, is_code: bool, id: str) -> After:
        """Follow-up calls after a message was accepted. ``id``: the vendor's; without it there are none."""
        provider = self.provider
        return After(
            refers_by_own_id=bool(id) and provider.refers_by_own_id,
            polls=bool(id) and provider.reports_by_poll,
            feedback=bool(id) and is_code and provider.takes_feedback,
            revokes=bool(id) and provider.revokes,
        )

    def price(self, country: str) -> float | None:
        """The price of a code to this country; None if unknown."""
        return self.prices.get(country, self.prices.get("default"))

    @property
    def able(self) -> dict[str, Any]:
        """The facts by which scripts choose an alias: see includes/pick.lua."""
        return {
            "free": self.has_slot,
            "per_message": self._per_message,
            "per_segment": self._per_segment,
            "channel": self.provider.channel,
        }

    @property
    def has_slot(self) -> bool:
        """Whether this worker may make one more call to it now. One call is always allowed."""
        others = self._slots.taken - self._taken
        return self._taken + 1 <= max(1, self._share * (self._slots.count - others))

    @contextmanager
    def slot(self) -> Iterator[bool]:
        """Take a slot for one call. False if another thread took the last one."""
        with self._slots.changed:
            taken = int(self._slots.wait_for(lambda: self.has_slot))
            self._taken += taken
            self._slots.taken += taken
        try:
            yield bool(taken)
        finally:
            with self._slots.changed:
                self._taken -= taken
                self._slots.taken -= taken
                if taken:
                    self._slots.given_back.append(time.monotonic())
                    self._slots.changed.notify()

    @staticmethod
    def wait_for_slot(wanted: Collection[Alias]) -> None:
        """Wait until one of these has a slot, unless that would take long."""
        if not wanted or any(alias.has_slot for alias in wanted):
            return
        slots = next(iter(wanted))._slots
        with slots.changed:
            if slots.wait_for(lambda: any(alias.has_slot for alias in wanted)):
                slots.changed.notify()  # not taken yet, so one who waits for another alias may go too
