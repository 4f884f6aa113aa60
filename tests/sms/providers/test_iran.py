"""How the Iranian gateways write numbers, and read them."""

from __future__ import annotations

import pytest

from sms.errors import PermanentFailure
from sms.providers.iran import dialled, e164


@pytest.mark.parametrize(
    ("to", "expected"), [("+989123456789", "09123456789"), ("+12025550123", "0012025550123")]
)
def test_a_number_is_written_as_it_is_dialled_there(to, expected):
    assert dialled(to) == expected
    assert e164(expected) == to


@pytest.mark.parametrize(
    "to",
    ["", "+", "989123456789", "+98912345678x", "+989123456789,+989123456780", "+98912\n", "+٩٨٩١٢٣"],
)
def test_one_message_goes_to_one_number(to):
    with pytest.raises(PermanentFailure) as caught:
        dialled(to)
    assert "9123" not in f"{caught.value} {caught.value.code}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("9123456789", "+989123456789"),
        ("989123456789", "+989123456789"),
        ("+989123456789", "+989123456789"),
        (" 09123456789 ", "+989123456789"),
        ("", ""),
        ("Shop", ""),
        ("٠٩١٢٣٤٥٦٧٨٩", ""),
        ("9" * 40, ""),
    ],
)
def test_a_number_is_read_however_it_is_written(given, expected):
    assert e164(given) == expected
