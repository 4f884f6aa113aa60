"""Verifications: start, check, fetch, cancel, approve.

As at Twilio, a start for a number with a live code sends that code again. A key only finds its own.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.utils.crypto import constant_time_compare

from otp import caller, channels, codes, digests, recipients, services, sessions, store
from otp.admission import refusals
from otp.caller import Caller
from otp.errors import NotAllowed
from otp.purposes import Purpose
from otp.results import Live, Read
from otp.twilio import errors, sids
from otp.twilio.channels import CHANNELS, word
from otp.twilio.door import Asked, answered, iso
from otp.twilio.errors import invalid, unsupported
from sms import history
from sms import services as sms
from sms.message import Channel
from sms.phone import Phone

#: Parameters of a start that would change what is proved or shown, and what to do instead.
_REFUSED = {
    **dict.fromkeys(("Amount", "Payee"), "make a purpose whose text names the payment"),
    "SendDigits": "calls go to numbers without an extension",
    "CustomFriendlyName": "set OTP_SITE_NAME",
    "CustomMessage": "set the text of the purpose in OTP_PURPOSES",
    "TemplateCustomSubstitutions": "set the text of the purpose in OTP_PURPOSES",
    "ChannelConfiguration": "set the sender in SMS_PROVIDERS",
    "EnableSnaClientToken": "there is no silent network authentication here",
}

#: Parameters without effect here: the guard decides by itself, and tags are for Twilio's reports.
_IGNORED = ("RiskCheck", "Tags")

_TAKEN = ("To", "Channel", "Locale", "CustomCode", "DeviceIp", "RateLimits", "TemplateSid", "AppHash")

#: Twilio's channels that do not send our codes.
_WITHOUT_CODES = ("sna", "rbm", "push", "totp")

_LONGEST_CODE, _LONGEST_LOCALE = 64, 35


def start(asked: Asked, service: str) -> HttpResponse:
    """Send a code, or the live one again."""
    rules = asked.purpose(service)
    asked.require_known(*_TAKEN, *_REFUSED, *_IGNORED)
    to, channel = asked.require("To"), _channel(asked)
    _require_supported(asked, rules)
    code, who = asked.take("CustomCode", longest=_LONGEST_CODE), _caller(asked)
    if code:
        asked.access.require_own_code()
    is_email = channel == Channel.EMAIL or (not channel and "@" in to)
    number = _read_to(to, rules, is_email=is_email)
    id = _again(asked, rules, number, channel=channel, code=code, who=who)
    if not id:
        address = {"email": to} if is_email else {"phone": to}
        locale = asked.take("Locale", longest=_LONGEST_LOCALE)
        more: dict[str, Any] = address | {"channel": channel, "code": code}
        id = services.start(purpose=rules.name, locale=locale, caller=who, **more).id
    return answered(_shown(asked, rules, _find(asked, rules, id), id, "pending"), 201)


def check(asked: Asked, service: str) -> HttpResponse:
    """Compare a guess with the code. A wrong guess is a result, not an error."""
    rules = asked.purpose(service)
    asked.require_known("Code", "To", "VerificationSid", "Amount", "Payee", "SnaClientToken")
    for name in ("Amount", "Payee", "SnaClientToken"):
        if name in asked.given:
            raise unsupported(f"There is no {name} here. Leave it out.")
    to, sid = asked.take("To"), asked.take("VerificationSid")
    code = asked.require("Code", longest=_LONGEST_CODE)
    if not to and not sid:
        raise errors.Refused(400, 60221, "Give To or VerificationSid.")
    gone = errors.not_found(f"/Services/{service}/VerificationCheck")
    id = sids.id_of(sids.VERIFICATION, sid) if sid else _id_of(asked, rules, to)
    shown = _shown(asked, rules, _find(asked, rules, id, gone), id, "pending")
    for name in ("url", "lookup", "send_code_attempts", "sna"):
        del shown[name]
    # The last call to Redis. A right code is accepted once, so nothing after this may fail.
    checked = services.check(id, code, owner=asked.owner, caller=asked.caller)
    if checked.status == "expired":
        raise gone
    if checked.status == "blocked":
        raise _used_up()
    approved = {"status": "approved", "valid": True} if checked.status == "valid" else {}
    return answered(shown | approved | {"sna_attempts_error_codes": []})


def fetch(asked: Asked, service: str, sid: str) -> HttpResponse:
    """Read a verification that is live, or has no attempts left."""
    asked.require_known()
    rules, id, found = _named(asked, service, sid)
    status = "max_attempts_reached" if found.status == "blocked" else "pending"
    return answered(_shown(asked, rules, found, id, status))


def update(asked: Asked, service: str, sid: str) -> HttpResponse:
    """Cancel a verification, or approve it without a guess."""
    asked.require_known("Status")
    status = asked.require("Status")
    if status not in ("canceled", "approved"):
        raise invalid("Status", "use canceled or approved")
    rules, id, found = _named(asked, service, sid)
    gone = errors.not_found(f"/Services/{service}/Verifications/{sids.of_id(sids.VERIFICATION, id)}")
    shown = _shown(asked, rules, found, id, status)
    if status == "canceled":
        if not services.cancel(id, owner=asked.owner):
            raise gone
        return answered(shown)
    match services.approve(id, owner=asked.owner).status:
        case "expired":
            raise gone
        case "blocked":
            raise _used_up()
    return answered(shown)


def _channel(asked: Asked) -> str:
    """Our name of the channel; "" for auto, which leaves the choice to the purpose."""
    name = asked.require("Channel")
    if name in _WITHOUT_CODES:
        raise errors.Refused(403, errors.CHANNEL_DISABLED, f"Delivery channel disabled: {name}")
    if name != "auto" and name not in CHANNELS:
        raise invalid("Channel", f"use one of {', '.join(CHANNELS)}, auto")
    return "" if name == "auto" else CHANNELS[name]


def _require_supported(asked: Asked, rules: Purpose) -> None:
    for name, fix in _REFUSED.items():
        if name in asked.given:
            raise unsupported(f"There is no {name} here: {fix}.")
    if (sid := asked.take("TemplateSid")) and sid != sids.of_name(sids.TEMPLATE, rules.name):
        raise errors.Refused(400, 60228, "Template not found: each service has one, which Templates lists.")
    if (app_hash := asked.take("AppHash")) and app_hash != rules.app_hash:
        raise invalid("AppHash", "it is not the one of this service. Set app_hash in OTP_PURPOSES")


def _caller(asked: Asked) -> Caller:
    """The caller for whom limits count. Some keys may name a user's IP address, by DeviceIp or RateLimits."""
    ip = asked.take("DeviceIp", longest=64)
    if limited := asked.take("RateLimits"):
        try:
            values = json.loads(limited)
            by_ip = values.pop("ip", "")
        except (AttributeError, TypeError, ValueError, RecursionError):
            raise invalid("RateLimits", 'write a JSON object such as {"ip": "203.0.113.7"}') from None
        if values or not isinstance(by_ip, str):
            raise invalid("RateLimits", "it takes only ip. OTP_LIMITS counts everything else by itself")
        ip = by_ip or ip
    if not ip:
        return asked.caller
    asked.access.require_client_ip()
    try:
        return replace(asked.caller, ip=caller.normalise(ip))
    except ValueError:
        raise invalid("DeviceIp", "this is not an IPv4 or IPv6 address") from None


def _read_to(to: str, rules: Purpose, *, is_email: bool) -> Phone:
    with refusals.translated():
        if is_email:
            return sms.by_email(sms.read_email(to))
        return recipients.parse_phone(to, channels.wanted(rules))


def _live(asked: Asked, rules: Purpose, number: Phone) -> Live | None:
    """The key's newest verification of a number or an address; None if there is none that it may find this
    way.

    In a session, the user types the number, unless the program gave it. A key that may not see that number
    must not find it out by trying.
    """
    live = store.live(phones=digests.of_number(number, rules.name), owner=asked.owner)
    if live.session and "phone" not in asked.access.scopes:
        session = sessions.read(live.session, owner=asked.owner)
        if (session.status, session.phone) != ("pending", number.e164):  # a valid one has what was typed
            return None
    return live if live.status else None


def _id_of(asked: Asked, rules: Purpose, to: str) -> str:
    """The id of the live verification, "" if there is none."""
    live = _live(asked, rules, _read_to(to, rules, is_email="@" in to))
    return live.id if live else ""


def _again(asked: Asked, rules: Purpose, number: Phone, *, channel: str, code: str, who: Caller) -> str:
    """Send the live code again. Returns its id, or "" if there is none or a new code is needed."""
    live = _live(asked, rules, number)
    if not live or live.status != "pending" or not _is_its_code(live, code):
        return ""
    try:
        return services.resend(live.id, caller=who, owner=asked.owner, channel=channel).id
    except NotAllowed as error:
        if error.field != "id":
            raise
        return ""  # too little time is left, or it has just ended


def _is_its_code(live: Live, code: str) -> bool:
    """Whether ``code`` is the live one, or "" for any."""
    if not code:
        return True
    try:
        kept = sms.unseal(live.envelope.encode())
    except sms.Unsealable:
        return False
    return constant_time_compare(kept.get("code", ""), codes.normalise(code))


def _named(asked: Asked, service: str, sid: str) -> tuple[Purpose, str, Read]:
    """The verification that a URL names, by its SID or by its number."""
    rules = asked.purpose(service)
    gone = errors.not_found(f"/Services/{service}/Verifications")
    id = sids.id_of(sids.VERIFICATION, sid)
    if not id:
        try:
            id = _id_of(asked, rules, sid)
        except NotAllowed:  # neither a SID nor a number
            raise gone from None
    return rules, id, _find(asked, rules, id, gone)


def _find(asked: Asked, rules: Purpose, id: str, gone: errors.Refused | None = None) -> Read:
    found = store.read(id, asked.owner) if id else None
    if not found or found.purpose != rules.name or found.status == "valid":
        raise gone or errors.not_found(f"/Services/{sids.of_name(sids.SERVICE, rules.name)}/Verifications")
    return found


def _used_up() -> errors.Refused:
    return errors.Refused(429, errors.CHECKS_USED_UP, "Max check attempts reached")


def _shown(asked: Asked, rules: Purpose, found: Read, id: str, status: str) -> dict[str, Any]:
    service, sid = sids.of_name(sids.SERVICE, rules.name), sids.of_id(sids.VERIFICATION, id)
    begun = found.tried if asked.in_full else found.asked
    messages = [told.message for told in reversed(history.of_verification(id))]
    sent = [message for message in messages if asked.in_full or not message.by_itself]
    return {
        "sid": sid,
        "service_sid": service,
        "account_sid": asked.account,
        "to": _to(asked, found),
        "channel": word((begun or "sms").rpartition(",")[2]),
        "status": status,
        "valid": status == "approved",
        "lookup": {"carrier": None},
        "amount": None,
        "payee": None,
        "send_code_attempts": [
            {
                "time": iso(message.created_at),
                "channel": (word(message.first_channel) or message.first_channel).upper(),
                "attempt_sid": sids.of_id(sids.ATTEMPT, message.id),
            }
            for message in sent
        ],
        "sna": None,
        "date_created": iso(found.created_at),
        "date_updated": iso(sent[-1].created_at if sent else found.created_at),
        "url": asked.url("Services", service, "Verifications", sid),
    }


def _to(asked: Asked, found: Read) -> str | None:
    """The number or address, from the envelope of a verification. None once it is over, which erases the
    envelope.

    The number is masked for a key that may not see what the user of a session typed.
    """
    try:
        to: str = sms.unseal(found.envelope.encode())["to"]
    except sms.Unsealable:
        return None
    return sms.mask(to) if found.session and "phone" not in asked.access.scopes else to
