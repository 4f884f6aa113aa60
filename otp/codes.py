"""Make a code and its digests. No settings, no Redis.

A code is ``HMAC-SHA256(key, seed)`` read as a number in the base of the alphabet. The seed comes from
``sms.ids`` (128 bits), so the code is as random as one drawn directly; 256 bits modulo 10^6 are biased by
less than 2^-236. Redis holds the seed and two digests, useless without the key, and a resend repeats the
code although nobody stored it.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from sms import typed

DIGITS = "0123456789"


def derive(key: bytes, seed: str, length: int, alphabet: str = DIGITS) -> str:
    """The code that belongs to ``seed``."""
    number = int.from_bytes(_hmac(key, b"code\0" + seed.encode()))
    if alphabet == DIGITS:
        return str(number % 10**length).zfill(length)
    base = len(alphabet)
    characters = []
    for _ in range(length):
        number, index = divmod(number, base)
        characters.append(alphabet[index])
    return "".join(characters)


def digest(key: bytes, *parts: str) -> str:
    """A keyed digest of ``parts`` (HMAC-SHA256, the first 128 bits as hex), to compare codes by.

    Nobody can choose or see one without the key, so the time of a comparison tells nothing about the code.
    """
    return _hmac(key, "\0".join(parts).encode(errors="surrogatepass"))[:16].hex()


def _hmac(key: bytes, message: bytes) -> bytes:
    mac = _keyed(key).copy()
    mac.update(message)
    return mac.finalize()


@lru_cache(maxsize=4)
def _keyed(key: bytes) -> HMAC:
    # With the key worked in, and no Python around OpenSSL: half the time that the hmac module takes. Its
    # one-shot digest fetches SHA-256 anew each time, and makes threads wait for each other.
    return HMAC(key, SHA256())


def normalise(entered: str) -> str:
    """What a person typed, as it was meant: digits of any script, any case, nothing between them.

    Blanks, dashes and invisible marks go. All else stays and makes it a wrong code, lookalikes too.
    """
    if entered.isascii() and entered.isdigit():
        return entered
    visible = typed.INVISIBLE.sub("", entered).translate(typed.TO_ASCII)
    return "".join(char for char in visible if not typed.separates(char)).upper()
