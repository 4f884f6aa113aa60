"""The configured providers send real messages, and their reports can reach us."""

from __future__ import annotations

from types import ModuleType

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.urls import include, path
from structlog.testing import capture_logs

from sms import receipts, registry, services
from sms.checks import providers
from sms.providers import provider_classes
from sms.providers.base import ClearProvider


@pytest.fixture(
    params=[scheme for scheme, found in provider_classes().items() if issubclass(found, ClearProvider)]
)
def clear(request, tmp_path) -> str:
    """The URL of a provider that writes in clear."""
    return f"{request.param}://{tmp_path / 'outbox' if request.param == 'file' else ''}"


class TestWhatIsWrittenInClear:
    """Numbers and codes are readable in production only if somebody asked for that by name."""

    def test_it_is_refused_in_production(self, settings, redis, clear):
        settings.SMS_PROVIDERS = {"spool": clear}
        scheme = clear.partition(":")[0]
        with pytest.raises(
            SystemCheckError, match=rf"SMS_PROVIDERS: spool: {scheme}://.* {scheme}:.*clear=yes"
        ):
            call_command("check")
        with pytest.raises(ImproperlyConfigured):
            services.send("+12025550123", "Hello")
        assert redis.keys() == []

    def test_one_among_real_ones_is_refused_too(self, settings, clear):
        settings.SMS_PROVIDERS = {"main": "memory://", "spool": clear}
        with pytest.raises(ImproperlyConfigured, match="spool"):
            registry.aliases()

    def test_it_is_wanted_and_warned_of(self, settings, clear):
        settings.SMS_PROVIDERS = {"spool": f"{clear}?clear=yes"}
        assert services.get(services.send("+12025550123", "Hello").id).state == "sent"
        (warning,) = providers.nothing_is_in_clear()
        assert (warning.id, "spool" in warning.msg) == ("sms.W005", True)

    def test_development_needs_no_word(self, settings, clear):
        settings.DEBUG = True
        settings.SMS_PROVIDERS = {"spool": clear}
        assert services.get(services.send("+12025550123", "Hello").id).state == "sent"
        assert providers.nothing_is_in_clear() == []
        settings.DEBUG = False
        with pytest.raises(ImproperlyConfigured):
            registry.aliases()

    def test_only_yes_is_a_yes(self, settings, clear):
        settings.SMS_PROVIDERS = {"spool": f"{clear}?clear=true"}
        with pytest.raises(ImproperlyConfigured, match="clear= takes only yes"):
            registry.aliases()

    def test_others_have_nothing_to_say_about_it(self, settings):
        settings.SMS_PROVIDERS = {"main": "memory://?clear=yes"}
        with pytest.raises(ImproperlyConfigured, match="no option 'clear'"):
            registry.aliases()
        settings.SMS_PROVIDERS = {"main": "memory://"}
        assert providers.nothing_is_in_clear() == []


class TestReportsFindUs:
    """A provider's reports reach an address of the project, or a check says why not."""

    @pytest.fixture(autouse=True)
    def twilio(self, settings):
        settings.SMS_PROVIDERS = {"main": "twilio://AC1:secret@?from=x"}
        settings.PUBLIC_URL = "https://otp.example.com"

    CHECKS = providers.receipts_have_an_address, providers.receipts_are_let_in

    def found(self) -> list[str]:
        return [str(warning.id) for check in self.CHECKS for warning in check()]

    def test_they_do_here(self):
        assert self.found() == []
        assert receipts.address("main", "m1") == "https://otp.example.com/v1/receipts/main?reference=m1"

    @pytest.mark.parametrize("urls", ["otp.urls", ""])
    def test_an_address_that_is_missing(self, settings, urls):
        settings.ROOT_URLCONF = urls
        assert self.found() == ["sms.W006"]
        assert receipts.address("main", "m1") == ""

    def test_any_prefix_does(self, settings):
        urls = ModuleType("urls")
        urls.__dict__["urlpatterns"] = [
            path("a/<int:b>/", include("otp.urls")),
            path("deep/er/", include("sms.urls")),
        ]
        settings.ROOT_URLCONF = urls
        assert self.found() == []
        assert receipts.address("main", "m1") == "https://otp.example.com/deep/er/receipts/main?reference=m1"

    def test_a_project_whose_addresses_this_process_cannot_read(self, settings):
        """A worker may lack what only the web needs: the SMS goes out, without a report."""
        settings.ROOT_URLCONF = "no.such.module"
        with capture_logs() as logs:
            assert receipts.address("main", "m1") == ""
        assert [line["event"] for line in logs] == ["receipts_have_no_address"]

    def test_a_host_that_is_turned_away(self, settings):
        settings.ALLOWED_HOSTS = ["localhost"]
        assert self.found() == ["sms.W007"]
        settings.ALLOWED_HOSTS = [".example.com"]
        assert self.found() == []

    def test_who_reports_nothing_needs_no_address(self, settings):
        settings.ROOT_URLCONF = "otp.urls"
        settings.SMS_PROVIDERS = {"main": "memory://", "gsm": "kannel://user:password@127.0.0.1?from=x"}
        assert self.found() == []


class TestACallThatAsksForAKey:
    """It works only with an https:// address of ours."""

    CALLS = "twilio-voice://AC1:secret@?from=%2B15005550006"

    def found(self) -> list[str]:
        return [error.msg for error in providers.who_asks_for_codes_has_an_address()]

    @pytest.mark.parametrize("public", ["", "http://otp.example.com"])
    def test_without_one_it_is_told(self, settings, public):
        settings.PUBLIC_URL, settings.SMS_PROVIDERS = public, {"call": self.CALLS, "main": "memory://"}
        (text,) = self.found()
        for words in ("SMS_PROVIDERS: call ", "PUBLIC_URL", "key_press=no"):
            assert words in text
        with pytest.raises(SystemCheckError, match="E028"):
            call_command("check")
        settings.SMS_PROVIDERS = {"call": f"{self.CALLS}&key_press=no"}
        assert self.found() == []

    def test_with_one_it_needs_our_urls(self, settings):
        settings.PUBLIC_URL, settings.SMS_PROVIDERS = "https://otp.example.com", {"call": self.CALLS}
        assert self.found() == []
        settings.ROOT_URLCONF = "otp.urls"
        assert len(self.found()) == 1


@pytest.mark.parametrize(
    ("url", "routes", "where"),
    [
        ("kannel://u:p@?from=Shop", {}, "SMS_PROVIDERS: main sends as Shop, but the United States"),
        ("kannel://u:p@?from=%2B12025550123", {"US": "main@Shop"}, "SMS_ROUTES: main sends as Shop"),
        ("kannel://u:p@?from=Shop", {"US": "main", "default": "main@%2B12025550123"}, "SMS_PROVIDERS"),
    ],
)
def test_a_name_as_the_sender_where_the_country_refuses_it(settings, url, routes, where):
    settings.SMS_PROVIDERS = {"main": url}
    settings.SMS_DESTINATIONS = ["US", "DE"]
    settings.SMS_ROUTES = routes
    (error,) = providers.senders_are_taken()
    assert (error.id, where in error.msg, "US=main@%2B" in error.msg) == ("sms.E024", True, True)


@pytest.mark.parametrize(
    ("destinations", "routes"),
    [
        (["DE"], {}),
        (["*"], {}),
        (["US", "DE"], {"US": "main@%2B12025550123", "default": "main"}),
        (["US"], {"default": "main@pool-0123456789abcdef"}),  # what AWS calls a pool of numbers
    ],
)
def test_a_name_as_the_sender_elsewhere(settings, destinations, routes):
    settings.SMS_PROVIDERS = {"main": "kannel://u:p@?from=Shop"}
    settings.SMS_DESTINATIONS, settings.SMS_ROUTES = destinations, routes
    assert providers.senders_are_taken() == []


def test_a_name_as_the_sender_in_another_channel(settings):
    settings.SMS_PROVIDERS = {"tg": "telegram://:TOKEN@?from=shop&only=codes"}
    settings.SMS_DESTINATIONS, settings.SMS_ROUTES = ["US"], {"US": "tg@shopus"}
    assert providers.senders_are_taken() == []
