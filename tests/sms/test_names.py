"""Every key and queue of ours has the namespace before it, and without one is what it always was."""

from __future__ import annotations

import json
from itertools import chain

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from otp import services
from otp.errors import RateLimited
from otp.guard import report as guard_admin
from otp.handler import OTPHandler
from sms import broker, cells, inbound, names, scripts, sweeper
from sms import services as sms
from sms.delivery import run as delivery
from sms.errors import TemporaryFailure
from sms.message import Inbound
from sms.providers.memory import MemoryProvider
from sms.testing import code_in, outbox
from tests.sms.house import leave_out

PHONE = "+12025550123"


def prefixed(settings, prefix: str) -> None:
    settings.OTPOST_NAMESPACE = None  # as in a project that does not set it
    settings.CACHES = settings.CACHES | {"default": settings.CACHES["default"] | {"KEY_PREFIX": prefix}}


def everything(settings, api, monkeypatch) -> None:
    """Let every script of ours run, and every key be written that there is."""
    settings.GUARD_MODE = "enforce"
    settings.GUARD_PRICES = {"default": "0.01"}
    settings.GUARD_BUDGET = 1000
    settings.OTP_LIMITS = "phone=50/10m;ip=50/10m;all=500/1s+2000"
    settings.SMS_PROVIDERS = {"test": "memory://?rate=1000", "spare": "memory://?segment_rate=1"}
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        body = json.dumps({"to": PHONE, "body": "Hello"})
        api.client.post("/v1/messages", body, "application/json", headers=api.headers | headers)
    started = services.start(PHONE)
    code = code_in(outbox[-1].body)
    assert services.check(started.id, "x").status == "invalid"
    with pytest.raises(RateLimited):
        services.resend(started.id)
    assert services.check(started.id, code).status == "valid"
    services.cancel(services.start("+12025550124", "signup").id)
    OTPHandler.generate_otp("+12025550125")
    guard_admin.rule("US", "allow", 1)
    assert any(row.scope == "US" and row.day.sends > 0 for row in guard_admin.rows())
    assert guard_admin.standing().spent > 0
    guard_admin.release("+1202555")
    with monkeypatch.context() as patch:  # one that fails for good, and one whose alias holds it back
        patch.setattr(broker, "publish", lambda *_: True)
        patch.setattr(MemoryProvider, "send", lambda *_: (_ for _ in ()).throw(TemporaryFailure("busy")))
        patch.setattr(delivery, "ROUNDS", ())
        dead, held = sms.send(PHONE, "Hello").id, sms.send(PHONE, "Hello").id
        delivery.deliver(dead)
        leave_out("test")
        delivery.deliver(held)
    assert sms.dead_letter(dead) is not None
    sweeper.sweep("bulk", 0)
    settings.SMS_HELP = "Call us."
    inbound.receive("test", Inbound("1", "+12025550126", "Shop", "HELP"))
    inbound.receive("test", Inbound("2", "+12025550126", "Shop", "STOP"))


@pytest.mark.one_server
@pytest.mark.usefixtures("any_redis")
@pytest.mark.parametrize("from_prefix", [True, False])
def test_every_key_has_the_namespace_before_it(any_redis, settings, api, monkeypatch, from_prefix):
    if from_prefix:
        prefixed(settings, "shop")
    else:
        settings.OTPOST_NAMESPACE = "shop"
    everything(settings, api, monkeypatch)
    found = {key.decode() for key in scripts.connection().scan_iter()}
    assert {key for key in found if not key.startswith(("shop:", "{shop:c"))} == set()
    known = tuple(chain.from_iterable(map(names.families, cells.every())))
    assert {key for key in found if not key.startswith(known)} == set()


@pytest.mark.one_server
def test_without_a_namespace_every_key_is_what_it_always_was(redis, settings, api, monkeypatch):
    """An installation that is upgraded loses nothing, and needs no step where it had no KEY_PREFIX."""
    prefixed(settings, "shop")
    settings.OTPOST_NAMESPACE = ""
    everything(settings, api, monkeypatch)
    found = {key.decode() for key in redis.scan_iter()}
    assert {key for key in found if not key.startswith(("otp:", "sms:", "http:idempotency:"))} == set()
    assert {"sms:leases:bulk", "sms:dead", "sms:health:test", "otp:guard-spend", "otp:guard:US"} <= found
    assert (names.key("otp"), names.key("bulk")) == ("otp", "bulk")


def test_two_installations_in_one_place_know_nothing_of_each_other(settings, redis):
    for name in ("", "shop", "office"):
        settings.OTPOST_NAMESPACE = name
        services.start(PHONE)  # no cooldown of another's
        with pytest.raises(RateLimited):
            services.start(PHONE)
    assert len(outbox) == 3


@pytest.mark.parametrize("name", ["shop floor", "läden", "a*", "{a}", "a" * 65, 7])
def test_a_namespace_that_no_key_can_have_is_refused_at_start(settings, name):
    settings.OTPOST_NAMESPACE = name
    with pytest.raises(ImproperlyConfigured, match="OTPOST_NAMESPACE"):
        services.start(PHONE)
    with pytest.raises(Exception, match="OTPOST_NAMESPACE must be"):
        call_command("check")
