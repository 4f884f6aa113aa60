"""``twilio-lookup://SID:TOKEN@?refuse=fixed_line|voip&sim_swap=72h``: Twilio Lookup v2.

Options: ``refuse``: kinds of lines that get no code; ``sim_swap``; ``countries``; ``per_day``; ``base_url``;
``ssl_ca_certs``. ``SID:TOKEN`` belong to an account (AC…) or an API key (SK…).

Some carriers give no date of a SIM swap. Twilio then says whether one happened in the period agreed with the
carrier, and that answer is used whatever ``sim_swap`` says.

The number is in the path, as Twilio's API requires. TLS hides it on the way, and none of our logs, traces or
errors shows a URL.

Sources: twilio.com/docs/lookup/v2-api, …/line-type-intelligence (types), …/sim-swap (last_sim_swap), and
twilio/twilio-oai on GitHub, spec/json/twilio_lookups_v2.json.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from otp.lookups.base import (
    LINE_TYPE,
    NON_FIXED_VOIP,
    NOT_SWAPPED,
    SIM_SWAP,
    SWAPPED,
    UNKNOWN,
    Failed,
    Lookup,
    kinds_in,
)
from sms.providers.url import BadProviderURL
from sms.providers.wire import at, basic, parse

#: Twilio's kinds of lines in our words. Others are unknown.
KINDS = {
    "landline": "fixed_line",
    "mobile": "mobile",
    "fixedVoip": "voip",
    "nonFixedVoip": NON_FIXED_VOIP,
    "personal": "personal_number",
    "tollFree": "toll_free",
    "premium": "premium_rate",
    "sharedCost": "shared_cost",
    "uan": "uan",
    "voicemail": "voicemail",
    "pager": "pager",
}

#: Twilio's names of our questions.
FIELDS = {LINE_TYPE: "line_type_intelligence", SIM_SWAP: "sim_swap"}


class TwilioLookup(Lookup):
    scheme = "twilio-lookup"
    name = "Twilio Lookup"
    word_path = "code"
    url_names: ClassVar = {"user": "sid", "password": "token"}

    def __init__(
        self, alias: str, *, sid: str = "", token: str = "", refuse: str = "", **common: Any
    ) -> None:
        super().__init__(alias, "https://lookups.twilio.com", **common)
        self.refused_kinds = kinds_in(alias, refuse)
        if not sid or not token:
            raise BadProviderURL(f"{alias}: write twilio-lookup://SID:TOKEN@?refuse=…")
        if not self.questions:
            raise BadProviderURL(f"{alias}: say what to ask: refuse=fixed_line|voip, sim_swap=72h, or both.")
        self._headers = {"Authorization": basic(sid, token), "Accept": "application/json"}

    def ask(self, e164: str, questions: Collection[str]) -> Mapping[str, str]:
        fields = urlencode({"Fields": ",".join(FIELDS[question] for question in questions)}, safe=",")
        url = f"{self.base_url}/v2/PhoneNumbers/{quote(e164, safe='')}?{fields}"
        answer = self._http.ask("GET", url, b"", self._headers)
        if answer.status != 200:
            raise self.failure(answer)
        found = parse(answer.data)
        if not isinstance(found, dict) or "phone_number" not in found:
            raise Failed("unreadable")
        return {question: self._read(question, found.get(FIELDS[question])) for question in questions}

    def _read(self, question: str, package: Any) -> str:
        if not isinstance(package, dict) or package.get("error_code") is not None:
            return UNKNOWN
        if question == LINE_TYPE:
            return KINDS.get(str(package.get("type")), UNKNOWN)
        date, swapped = (
            at(package, "last_sim_swap.last_sim_swap_date"),
            at(package, "last_sim_swap.swapped_in_period"),
        )
        if date:
            swapped = self._is_recent(str(date))
        return (
            {True: SWAPPED, False: NOT_SWAPPED}.get(swapped, UNKNOWN)
            if isinstance(swapped, bool)
            else UNKNOWN
        )

    def _is_recent(self, date: str) -> bool | None:
        try:
            return datetime.now(UTC) - datetime.fromisoformat(date) <= timedelta(hours=self.hours)
        except (ValueError, TypeError):  # TypeError: without a time zone
            return None
