"""Our ids as SIDs, and back."""

from __future__ import annotations

from otp.twilio import sids
from sms import ids
from tests.starts import manage


def test_an_id_and_its_sid_say_the_same():
    for _ in range(1000):
        id = ids.new()
        sid = sids.of_id("VE", id)
        assert len(sid) == 34
        assert sids.id_of("VE", sid) == id
        assert sids.id_of("VE", "VE" + sid[2:].upper()) == id


def test_what_is_no_sid_has_no_id():
    sid = sids.of_id("VE", ids.new())
    for wrong in ("", "VE", sid[:-1], sid + "0", "VL" + sid[2:], sid[:-1] + "g", sid[:-1] + "٣", sid + "\n"):
        assert sids.id_of("VE", wrong) == ""


def test_names_have_sids_of_their_own_that_never_change():
    assert sids.of_name("VA", "login") == "VA" + "bef8d78a0be0f4939a201e176a56df1d"
    assert (
        len({sids.of_name(*names) for names in (("VA", "a"), ("VA", "b"), ("HJ", "a"), ("VA", "a", "b"))})
        == 4
    )


def test_the_command_prints_them():
    done = manage("twilio_sids")
    assert done.returncode == 0
    assert f"account  {sids.of_name('AC', 'shop')}  shop" in done.stdout
    assert f"service  {sids.of_name('VA', 'payment')}  payment" in done.stdout
