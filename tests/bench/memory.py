"""Bytes that codes and messages take in Redis: of their keys, and of the whole server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.test import override_settings
from django_redis import get_redis_connection

from .report import Measure
from .surroundings import Surroundings

#: Codes and messages at once, of as many phones: enough that the server's own memory does not matter.
MANY, FEW = 20_000, 4_000

TEXT = "Your parcel is here, and waits for you at the usual place until Friday."


def sizes(bench: Surroundings) -> Iterator[Measure]:
    """``MEMORY USAGE`` of all keys, shared ones by parts, after some starts; then ``used_memory``."""
    from otp import services

    bench.say("bytes in Redis")
    get_redis_connection().flushall()
    areas = (201, 202, 203, 205, 206, 207, 208, 209)
    for area in areas:
        services.start(f"+1{area}5550123")
    for name, pattern in (("verification", "otp:*"), ("message that waits", "sms:*")):
        yield Measure(f"memory of a {name}", "B", [_bytes(pattern) / len(areas)])
    get_redis_connection().delete(*get_redis_connection().keys("sms:body:*"))
    yield Measure("memory of a message that was sent", "B", [_bytes("sms:message:*") / len(areas)])
    count = FEW if bench.quick else MANY
    for measure in (_of_codes, _of_plain_messages):
        with bench.another_server() as server, _at(server.url):
            yield from measure(count)


def _bytes(pattern: str) -> int:
    redis = get_redis_connection()
    return sum(int(redis.memory_usage(key, samples=0) or 0) for key in redis.scan_iter(pattern))


@contextmanager
def _at(url: str) -> Iterator[None]:
    """An empty server, with limits and guard as they are by default; nothing is sent anywhere."""
    default: Any = settings.CACHES["default"]
    with override_settings(
        CACHES=settings.CACHES | {"default": default | {"LOCATION": url}},
        GUARD_ALLOW=["GB"],  # it still counts, and logs no caps
        GUARD_MODE="shadow",
        OTP_LIMITS="phone=5/10m,10/1d;ip=20/10m;phone-ip=7/1d",
        SMS_PROVIDERS={"test": "memory://"},
    ):
        yield


def _of_codes(count: int) -> Iterator[Measure]:
    """By how much ``used_memory`` grows with each code: tables, limits and guard included.

    Each is of a phone and an address of its own, which is the most that one can take.
    """
    from otp import services
    from otp.caller import Caller
    from sms.testing import code_in, outbox

    ids = {}
    empty = _used()
    for number in range(count):
        caller = Caller(ip=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        phone = f"+447400{number:06}"
        ids[phone] = services.start(phone, caller=caller).id
    yield Measure("server, a code that waits", "B", [(_used() - empty) / count])
    _deliver("otp")
    yield Measure("server, a code that was sent", "B", [(_used() - empty) / count])
    for sms in outbox:
        services.check(ids[sms.to], code_in(sms.body))
    yield Measure("server, a code that was verified", "B", [(_used() - empty) / count])


def _of_plain_messages(count: int) -> Iterator[Measure]:
    """The same of each plain message, of 72 characters."""
    from sms import services

    empty = _used()
    for number in range(count):
        services.send(f"+447400{number:06}", TEXT)
    yield Measure("server, a plain message that waits", "B", [(_used() - empty) / count])
    _deliver("bulk")
    yield Measure("server, a plain message that was sent", "B", [(_used() - empty) / count])


def _deliver(queue: str) -> None:
    """Hand over all that waits, in this process, and drop the entries that a worker would take."""
    from sms.delivery.run import deliver
    from sms.names import LEASES

    redis: Any = get_redis_connection()
    for message_id in redis.zrange(LEASES + queue, 0, -1):
        deliver(message_id.decode())
    redis.delete(queue)


def _used() -> int:
    return int(get_redis_connection().info("memory")["used_memory"])
