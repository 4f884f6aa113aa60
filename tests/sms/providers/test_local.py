"""The providers that need no vendor, and how a provider's URL is read."""

from __future__ import annotations

import json
import stat
import time

import pytest

from sms import registry
from sms.checks import settings as checks
from sms.errors import PermanentFailure, ReceiptRejected, TemporaryFailure
from sms.providers import from_url, provider_classes
from sms.providers.base import Sms
from sms.providers.sandbox import SandboxProvider
from sms.providers.url import BadProviderURL
from sms.testing import code_in, outbox
from tests.sms.providers.gateway import gateway, response

SMS = Sms(id="ref-1", to="+12025550123", body="Grüße\n\n@a.example #123456")


def test_file_appends_one_object_a_line_for_its_owner_alone(tmp_path):
    path = tmp_path / "outbox.jsonl"
    provider = from_url("spool", f"file://{path}")
    for _ in range(2):
        assert provider.send(SMS) == "ref-1"
    first, _ = [json.loads(line) for line in path.read_text().splitlines()]
    assert {name: first[name] for name in ("id", "to", "body", "alias")} == {
        "id": "ref-1",
        "to": SMS.to,
        "body": SMS.body,
        "alias": "spool",
    }
    assert abs(first["at"] - time.time()) < 5
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_a_temporary_failure(tmp_path):
    (tmp_path / "outbox").mkdir()
    with pytest.raises(TemporaryFailure):
        from_url("spool", f"file://{tmp_path}/outbox").send(SMS)


def test_console_prints(capsys):
    from_url("main", "console://").send(SMS)
    assert SMS.body in capsys.readouterr().out


def test_memory_keeps():
    from_url("main", "memory://").send(SMS)
    assert outbox == [SMS]
    assert code_in(outbox[0].body) == "123456"
    assert code_in("no code") == ""


def test_sandbox_posts_with_its_token():
    with gateway() as phone:
        provider = from_url("phone", f"sandbox://:s3cret@127.0.0.1:{phone.port}")
        phone.answer = lambda: response(204, "")
        assert provider.send(SMS) == "ref-1"
        path, headers, _ = phone.requests[0]
        assert (path, headers["authorization"]) == ("/phone/messages", "Bearer s3cret")
        phone.answer = lambda: response(403, "")
        with pytest.raises(PermanentFailure):
            provider.send(SMS)
        phone.answer = lambda: response(500, "")
        with pytest.raises(TemporaryFailure):
            provider.send(SMS)
        phone.answer = lambda: response(429, "", Retry_After="7")
        with pytest.raises(TemporaryFailure) as caught:
            provider.send(SMS)
        assert caught.value.retry_after == 7


def test_the_sandbox_plays_other_channels():
    with gateway() as phone:
        phone.answer = lambda: response(204, "")
        for option, channel in (("", "sms"), ("?channel=voice", "voice")):
            provider = from_url("phone", f"sandbox://:s3cret@127.0.0.1:{phone.port}{option}")
            assert provider.channel == channel
            provider.send(SMS)
            assert json.loads(phone.bodies[-1])["channel"] == channel
    with pytest.raises(BadProviderURL, match="channel= takes one of"):
        from_url("phone", "sandbox://?channel=email")


def test_an_empty_token_of_the_sandbox_is_one_as_well():
    """Web servers strip ``Bearer `` to ``Bearer``."""
    phone = SandboxProvider("phone")
    phone.authenticate({"Authorization": "Bearer"})
    with pytest.raises(ReceiptRejected):
        phone.authenticate({"Authorization": "Bearer x"})


def test_every_provider_takes_the_options_that_all_have(tmp_path):
    for scheme, rest in {"file": f"{tmp_path}/x", "memory": "", "console": "", "sandbox": "a"}.items():
        provider = from_url("main", f"{scheme}://{rest}?timeout=3&base_url=https://a.example")
        assert (provider.timeout, provider.base_url) == (3, "https://a.example")


@pytest.mark.parametrize("scheme", provider_classes())
def test_unknown_options_are_refused_by_name(scheme):
    with pytest.raises(BadProviderURL, match=r"main: .*no option 'colour'"):
        from_url("main", f"{scheme}:///?colour=red")


def test_the_rest_of_a_secret_is_not_repeated():
    with pytest.raises(BadProviderURL, match="%26") as caught:
        from_url("main", "twilio://SID:TOKEN@?from=x&messaging_service=y&Tr0ub4dor")
    assert "Tr0ub4dor" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("twilio://SID:TOKEN@?from=x&from=y", "main: from= is given twice"),
        ("twilio://SID:TOKEN@?from=x&Tr0ub4dor&Tr0ub4dor", "main: an option is given twice"),
        ("twilio://SID:TOKEN@?from=x&auth_token=y", "main: auth_token is in the URL twice"),
        ("twilio://SID:TO#Tr0ub4dor@?from=x", "Write it as %23"),
        ("twilio://SID:TOKEN@?from=x#Tr0ub4dor", "Write it as %23"),
    ],
)
def test_nothing_of_a_url_is_lost_in_silence(url, words):
    with pytest.raises(BadProviderURL) as caught:
        from_url("main", url)
    assert words in str(caught.value)
    assert "Tr0ub4dor" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "the URL is not a provider"),
        ("carrier-pigeon://x", "carrier-pigeon is not a provider"),
        ("twilio://?from=x", "needs account_sid"),
        ("twilio://SID:TOKEN@?from=x&timeout=soon", "timeout must be a number"),
        ("twilio://SID:TOKEN@?from=x&timeout=60", "at most 15"),
        ("twilio://SID:TOKEN@?from=x&base_url=ftp://x", "base_url"),
        ("twilio://SID:TOKEN@?from=x&base_url=https://", "base_url"),
        ("twilio://SID:TOKEN@?from=x&base_url=https://host:port", "base_url"),
        ("twilio://SID:TOKEN@?from=x&base_url=https://ho%20st", "base_url"),
        ("twilio://SID:TOKEN@?from=x&base_url=https://a..example", "base_url"),
        ("twilio://SID:TOKEN@?from=x&base_url=https://a.example?b=c", "base_url"),
        ("twilio://SID:TOKEN@?from=x&base_url=https://TOKEN@a.example", "base_url"),
        ("kannel://user:TOKEN@:13013?from=x", "the host"),
        ("file:///no/such/folder/outbox", "does not exist"),
        ("file://", "after three slashes"),
        ("file://outbox.jsonl", "after three slashes"),
        ("file://var/spool/outbox.jsonl", "after three slashes"),
        ("sandbox://[::1", "cannot be read"),
    ],
)
def test_a_url_that_cannot_work_is_named_by_a_check(settings, url, words):
    settings.SMS_PROVIDERS = {"main": url}
    (error,) = checks.providers()
    assert "SMS_PROVIDERS: main: " in error.msg
    assert words in error.msg
    assert "TOKEN" not in error.msg


def test_no_provider_at_all(settings):
    settings.SMS_PROVIDERS = {}
    assert [error.id for error in checks.providers()] == ["sms.E002"]


def test_aliases_are_made_once_and_keep_their_order(settings):
    settings.SMS_PROVIDERS = {"b": "memory://", "a": "console://?clear=yes"}
    assert list(registry.providers()) == ["b", "a"]
    assert registry.aliases() is registry.aliases()
