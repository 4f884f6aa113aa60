"""Separators in every field of a message that goes over SMPP: the recorder of the others speaks HTTP.

None may add a PDU or an optional parameter to what the SMSC receives, or move the end of a field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sms.errors import ProviderError
from tests.attack.test_injection import PAYLOADS, SMS
from tests.sms.providers.smsc import BIND_TRANSMITTER, SUBMIT_SM, Smsc, bound, smsc

HOSTILE = PAYLOADS | {
    "the end of a field and the rest of a submit_sm": "a\0\0\0\0\0\0\0\0\0\4njected",
    "a PDU": "\0\0\0\x10\0\0\0\x06\0\0\0\0\0\0\0\1njected",
    "an optional parameter": "\x04\x24\0\x08njected!",
    "an escape of GSM-7": "a\x1bnjected",
    "a header of the text": "\x05\0\3\0\1\1njected",
    "a long text": "\x04\x24njected" * 200,
}


@pytest.fixture(scope="module")
def centre() -> Iterator[Smsc]:
    with smsc() as found:
        yield found


@pytest.fixture(scope="module", params=["long=udh", "long=payload"])
def provider(request, centre):
    with bound(centre.port, request.param) as found:
        yield found


def shape(centre: Smsc, provider, sms) -> object | None:
    """The parts that an injection would change; None if the provider refused before sending. ``submitted``
    fails on a byte that belongs to no field.
    """
    centre.forget()
    refused = ""
    try:
        provider.send(sms)
    except ProviderError as error:
        refused = f"{error} {error.code}"
    assert "njected" not in refused
    assert {found.command for found in centre.heard} <= {SUBMIT_SM, BIND_TRANSMITTER}
    found = centre.submitted()
    if not found:
        return None
    assert len(found) == 1 or all(part.esm_class == 0x40 and part.text[5] for part in found)
    for part in found:
        assert [tag for tag, _ in part.optional] in ([], [0x0424])
        assert bool(part.text) != bool(part.optional)
    first = found[0]
    return first.service_type, first.destination, first.validity, first.schedule, first.registered


@pytest.mark.parametrize("field", ["to", "body", "id", "callback_url", "sender", "code", "key"])
def test_no_field_adds_to_what_the_smsc_receives(centre, provider, field):
    plain = shape(centre, provider, SMS)
    assert plain is not None
    for name, payload in HOSTILE.items():
        changed: dict[str, Any] = {field: payload}
        assert shape(centre, provider, replace(SMS, **changed)) in (plain, None), name


def test_a_text_arrives_as_it_is(centre, provider):
    """Else the tests above would hold for a provider that sends nothing."""
    text = '\0a & "c"\n%41 {to} ü \u2028 \U0001f600'
    assert shape(centre, provider, replace(SMS, body=text)) is not None
    (found,) = centre.submitted()
    assert found.text.decode("utf-16-be") == text
