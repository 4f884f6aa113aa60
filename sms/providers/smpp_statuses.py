"""What the statuses of an SMSC mean. Sections are those of SMPP 3.4, issue 1.2."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sms.errors import AccountFailure, PermanentFailure, ProviderError, TemporaryFailure
from sms.providers.smpp_wire import QUEUE_FULL, THROTTLED
from sms.providers.vendor import Outcome, outcome_table
from sms.providers.wire import need

#: Statuses of a submit_sm and of a bind (5.1.3). Any other below VENDOR_SPECIFIC refuses the number or text.
STATUSES = outcome_table(
    # 04 not bound; 05 too many binds; 08 system error; 14 queue full; 45 submit failed; 58 throttled.
    # 64 try later; FE delivery failed; FF unknown.
    temporary="0x04 0x05 0x08 0x14 0x45 0x58 0x64 0xfe 0xff",
    # 02, 03, 06, 07, 43, 61, 62 a form of PDU that it does not accept; 0D, 0E, 0F the bind; 15 service type.
    # 50, 51 TON and NPI of the number; 53 system type; 66 reject; C0 to C4 optional parameters.
    account="0x02 0x03 0x06 0x07 0x0d 0x0e 0x0f 0x15 0x43 0x50 0x51 0x53 0x61 0x62 0x66 "
    "0xc0 0xc1 0xc2 0xc3 0xc4",
    # 0A sender; 48 its TON; 49 its NPI.
    country="0x0a 0x48 0x49",
)

#: From here on, statuses are specific to the vendor and may mean anything. A refusal would end a code whose
#: number may be good.
VENDOR_SPECIFIC = 0x400


class Statuses:
    """The statuses of one SMSC, as errors."""

    def __init__(self, alias: str, options: Mapping[Outcome, str], pause: float) -> None:
        """``options``: the operator's own statuses for each outcome. ``pause``: seconds to hold back while
        the SMSC has too much to do. Raises ``BadProviderURL``.
        """
        self._outcomes: dict[str, Outcome] = {**STATUSES, **_read(alias, options)}
        self._pause = pause

    def failure(self, status: int) -> ProviderError:
        """The meaning of a submit_sm's status."""
        code = _code(status)
        meaning = self._outcomes.get(code, "temporary" if status >= VENDOR_SPECIFIC else "refused")
        if meaning == "temporary":
            pause = self._pause if status in (QUEUE_FULL, THROTTLED) else None
            return TemporaryFailure("the SMSC cannot take it now", code=code, retry_after=pause)
        if meaning in ("account", "country"):
            return AccountFailure("the SMSC refuses us", code=code, here=meaning == "country")
        return PermanentFailure("the SMSC refuses it", code=code)

    def refusal(self, status: int) -> ProviderError:
        """The meaning of a bind's status. It never blames a message."""
        if self._outcomes.get(_code(status)) == "temporary":
            return self.failure(status)
        return AccountFailure("the SMSC refuses the bind", code=_code(status))


def _read(alias: str, options: Mapping[Outcome, str]) -> dict[str, Outcome]:
    known = {meaning: text.replace(",", " ").lower().split() for meaning, text in options.items()}
    named = [status for listed in known.values() for status in listed]
    need(
        alias,
        all(re.fullmatch("(0x)?[0-9a-f]{1,8}", status) for status in named),
        "temporary=, permanent=, account= and country= take statuses in hex, such as 0x45.",
    )
    return {_code(int(status, 16)): meaning for meaning, listed in known.items() for status in listed}


def _code(status: int) -> str:
    return f"0x{status:02x}"
