"""Make a code and its digests. No settings, no Redis.

A code is ``HMAC-SHA256(key, seed)`` read as a number in the base of the alphabet. The seed comes from
``sms.ids`` (128 bits), so the code is as random as one drawn directly; 256 bits modulo 10^6 are biased by
less than 2^-236. Redis holds the seed and two digests, which are useless without the key. So a resend can
repeat the code although it is not stored.
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

    Without the key, nobody can choose or see a digest, so the time of a comparison reveals nothing.
    """
    return _hmac(key, "\0".join(parts).encode(errors="surrogatepass"))[:16].hex()


def _hmac(key: bytes, message: bytes) -> bytes:
    mac = _keyed(key).copy()
    mac.update(message)
    return mac.finalize()


@lru_cache(maxsize=4)
def _keyed(key: bytes) -> HMAC:
    # Prepared with the key, and without Python around OpenSSL, it takes half the time of the hmac module. The
    # function ``hmac.digest`` fetches SHA-256 each time, and makes threads wait for each other.
    return HMAC(key, SHA256())


def normalise(entered: str) -> str:
    """The code that a person meant to type: digits of any script become ASCII, letters become capitals.

    Spaces, dashes and invisible marks are dropped. Anything else stays, lookalikes too, and makes it a wrong
    code.
    """
    if entered.isascii() and entered.isdigit():
        return entered
    visible = typed.INVISIBLE.sub("", entered).translate(typed.TO_ASCII)
    return "".join(char for char in visible if not typed.separates(char)).upper()
