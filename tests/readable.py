"""A search through all commands to Redis and all its data, for every spelling of a secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from redis import Redis

from tests.faults.stack import wait_for


class listening:  # noqa: N801  # reads as what it does
    """Every command that the server gets, as MONITOR shows it."""

    def __init__(self, url: str, commands: list[bytes]) -> None:
        self.client = Redis.from_url(url, socket_timeout=None)  # a silence is not the end
        self.commands = commands

    def __enter__(self) -> None:
        self.monitor = self.client.monitor()
        self.monitor.__enter__()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            while True:
                self.commands.append(self.monitor.connection.read_response(disable_decoding=True))
        except Exception:  # noqa: S110  # closed from the other side: the run is over
            pass

    def __exit__(self, *_: object) -> None:
        self.client.echo("the end")  # all that came before it has been heard once this is
        wait_for(lambda: any(b"the end" in command for command in self.commands))
        self.monitor.connection.disconnect()
        self.thread.join(5)
        self.client.close()


def everything(redis: Any) -> Iterator[bytes]:
    """Every key and every value in it."""
    read = {
        b"string": lambda key: [redis.get(key)],
        b"hash": lambda key: itertools.chain.from_iterable(redis.hgetall(key).items()),
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
    }
    for key in redis.scan_iter(count=1000):
        yield key
        kind = redis.type(key)
        if kind != b"none":  # gone meanwhile
            for value in read[kind](key):
                if value is not None:
                    yield value
                    yield from unwrapped(value)


def unwrapped(value: bytes) -> Iterator[bytes]:
    """The base64 in an entry of a queue."""
    try:
        entry = json.loads(value)
        if entry["properties"]["body_encoding"] == "base64":
            yield base64.b64decode(entry["body"])
    except (ValueError, TypeError, KeyError):  # it is no entry
        pass


def spellings(phone: str, typed: str) -> list[bytes]:
    """The number as anybody might write it, and what anybody can compute of it without the key."""
    digits = phone[1:]
    plain = [
        phone,
        digits,
        digits[1:],
        typed,
        typed[3:],
        f"202-555-{digits[-4:]}",
        "%2B" + digits,
        f"tel:{phone}",
    ]
    return [*(text.encode() for text in plain), *digests(*plain)]


def digests(*texts: str) -> Iterator[bytes]:
    """Digests without a key, and encodings, of ``texts``, in hex and base64."""
    for text in texts:
        data = text.encode()
        yield base64.b64encode(data).rstrip(b"=")
        yield data.hex().encode()
        for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b"):
            for digest in (hashlib.new(name, data).digest(), hmac.digest(b"", data, name)):
                yield digest
                yield digest.hex().encode()[:32]
                yield base64.b64encode(digest)[:20]


def assert_nowhere(
    haystacks: Iterable[bytes], *, codes: Iterable[str], numbers: Mapping[str, str], words: Iterable[str] = ()
) -> None:
    """``numbers``: each with how somebody has typed it."""
    text = b"\n".join(haystacks)
    assert len(text) > 1000
    for code in codes:
        # Between other digits it is chance: a time in milliseconds holds eight strings of six. So it is after
        # a point: MONITOR gives each command a time with six decimals.
        assert not re.search(rb"(?<![0-9a-f.])%s(?![0-9a-f])" % code.encode(), text)
        for digest in digests(code):
            assert len(digest) < 10 or digest not in text
    for number, typed in numbers.items():
        for spelling in spellings(number, typed):
            assert spelling not in text, spelling
    for word in words:
        assert word.encode() not in text, word
