"""Bytes that a message's record and a verification take in Redis."""

from __future__ import annotations

from collections.abc import Iterator

from django_redis import get_redis_connection

from .report import Measure
from .surroundings import Surroundings


def sizes(bench: Surroundings) -> Iterator[Measure]:
    """``MEMORY USAGE`` of all keys, shared ones by parts, after some starts."""
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


def _bytes(pattern: str) -> int:
    redis = get_redis_connection()
    return sum(int(redis.memory_usage(key, samples=0) or 0) for key in redis.scan_iter(pattern))
