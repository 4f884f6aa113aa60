"""Services, rate limits and templates: a read-only view of ``OTP_PURPOSES`` and ``OTP_LIMITS``."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from otp.admission import limits
from otp.admission.rules import Rule
from otp.purposes import Purpose
from otp.twilio import errors, sids
from otp.twilio.channels import CHANNELS, word
from otp.twilio.door import PAGING, Asked, Operation, answered


def set_in(setting: str) -> Operation:
    """An operation that refuses to change a setting, and names it."""

    def refused(asked: Asked, **path: str) -> HttpResponse:
        raise errors.unsupported(f"This is set in {setting}, not over the API.")

    return refused


def services(asked: Asked) -> HttpResponse:
    """Every purpose of the key."""
    asked.require_known(*PAGING)
    return asked.page("services", [_service(asked, rules) for rules in asked.purposes()], "Services")


def service(asked: Asked, service: str) -> HttpResponse:
    """One service."""
    asked.require_known()
    return answered(_service(asked, asked.purpose(service)))


def rate_limits(asked: Asked, service: str) -> HttpResponse:
    """The rate limits, which are the same for every service."""
    asked.require_known(*PAGING)
    sid = _sid(asked.purpose(service))
    found = [_rate_limit(asked, sid, name) for name in _by_name()]
    return asked.page("rate_limits", found, "Services", sid, "RateLimits")


def rate_limit(asked: Asked, service: str, limit: str) -> HttpResponse:
    """One rate limit."""
    asked.require_known()
    sid = _sid(asked.purpose(service))
    return answered(_rate_limit(asked, sid, _name_of(sid, limit)))


def buckets(asked: Asked, service: str, limit: str) -> HttpResponse:
    """The buckets of a rate limit, with its figures."""
    asked.require_known(*PAGING)
    sid = _sid(asked.purpose(service))
    found = [_bucket(asked, sid, rule) for rule in _by_name()[_name_of(sid, limit)]]
    return asked.page("buckets", found, "Services", sid, "RateLimits", limit, "Buckets")


def bucket(asked: Asked, service: str, limit: str, bucket: str) -> HttpResponse:
    """One bucket."""
    asked.require_known()
    sid = _sid(asked.purpose(service))
    for rule in _by_name()[_name_of(sid, limit)]:
        if (shown := _bucket(asked, sid, rule))["sid"] == bucket:
            return answered(shown)
    raise errors.not_found("/Services/{Sid}/RateLimits/{Sid}/Buckets/{Sid}")


def templates(asked: Asked) -> HttpResponse:
    """The texts of the key's purposes."""
    asked.require_known("FriendlyName", *PAGING)
    name = asked.take("FriendlyName")
    found = [_template(asked, rules) for rules in asked.purposes() if name in ("", rules.name)]
    return asked.page("templates", found, "Templates")


def _sid(rules: Purpose) -> str:
    return sids.of_name(sids.SERVICE, rules.name)


def _service(asked: Asked, rules: Purpose) -> dict[str, Any]:
    sid = _sid(rules)
    url = asked.url("Services", sid)
    links = ("Verifications", "VerificationCheck", "RateLimits")
    words = ("verifications", "verification_checks", "rate_limits")
    return {
        "sid": sid,
        "account_sid": asked.account,
        "friendly_name": rules.name,
        "code_length": rules.length,
        "lookup_enabled": False,
        "psd2_enabled": False,
        "skip_sms_to_landlines": True,
        "dtmf_input_required": False,
        "tts_name": None,
        "do_not_share_warning_enabled": False,
        "custom_code_enabled": asked.access.own_code,
        "default_template_sid": sids.of_name(sids.TEMPLATE, rules.name),
        "push": None,
        "totp": None,
        "verify_event_subscription_enabled": False,
        "date_created": None,
        "date_updated": None,
        "url": url,
        "links": {name: f"{url}/{link}" for name, link in zip(words, links, strict=True)},
    }


def _by_name() -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in limits.all_rules():
        found.setdefault(rule.name, []).append(rule)
    return found


def _name_of(service: str, limit: str) -> str:
    for name in _by_name():
        if sids.of_name(sids.RATE_LIMIT, service, name) == limit:
            return name
    raise errors.not_found("/Services/{Sid}/RateLimits/{Sid}")


def _rate_limit(asked: Asked, service: str, name: str) -> dict[str, Any]:
    sid = sids.of_name(sids.RATE_LIMIT, service, name)
    url = asked.url("Services", service, "RateLimits", sid)
    return {
        "sid": sid,
        "service_sid": service,
        "account_sid": asked.account,
        "unique_name": name,
        "description": f"{name} of OTP_LIMITS",
        "date_created": None,
        "date_updated": None,
        "url": url,
        "links": {"buckets": f"{url}/Buckets"},
    }


def _bucket(asked: Asked, service: str, rule: Rule) -> dict[str, Any]:
    limit = sids.of_name(sids.RATE_LIMIT, service, rule.name)
    sid = sids.of_name(sids.BUCKET, service, rule.name, rule.figures)
    return {
        "sid": sid,
        "rate_limit_sid": limit,
        "service_sid": service,
        "account_sid": asked.account,
        "max": rule.most,
        "interval": rule.seconds,
        "date_created": None,
        "date_updated": None,
        "url": asked.url("Services", service, "RateLimits", limit, "Buckets", sid),
    }


def _template(asked: Asked, rules: Purpose) -> dict[str, Any]:
    named = [name for channel in rules.channels if (name := word(channel))]
    return {
        "sid": sids.of_name(sids.TEMPLATE, rules.name),
        "account_sid": asked.account,
        "friendly_name": rules.name,
        "channels": named or [*CHANNELS][:1],
        "translations": {
            locale or "default": {
                "is_default_translation": not locale,
                "status": "approved",
                "locale": locale or "default",
                "text": text.format(code="{{code}}", site="{{friendly_name}}", minutes="{{minutes}}"),
                "date_updated": None,
                "date_created": None,
            }
            for locale, text in rules.texts.items()
        },
    }
