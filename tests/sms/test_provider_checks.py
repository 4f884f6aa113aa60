"""What the configured providers do is what somebody wants, and they can be heard of."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from sms import provider_checks, registry, services
from sms.providers import PROVIDERS
from sms.providers.base import ClearProvider


@pytest.fixture(params=[scheme for scheme, found in PROVIDERS.items() if issubclass(found, ClearProvider)])
def clear(request, tmp_path) -> str:
    """The URL of a provider that writes in clear."""
    return f"{request.param}://{tmp_path / 'outbox' if request.param == 'file' else ''}"


class TestWhatIsWrittenInClear:
    """Numbers and codes stand readable in production only where somebody asked for it by name."""

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
        (warning,) = provider_checks.nothing_is_in_clear()
        assert (warning.id, "spool" in warning.msg) == ("sms.W005", True)

    def test_development_needs_no_word(self, settings, clear):
        settings.DEBUG = True
        settings.SMS_PROVIDERS = {"spool": clear}
        assert services.get(services.send("+12025550123", "Hello").id).state == "sent"
        assert provider_checks.nothing_is_in_clear() == []
        settings.DEBUG = False
        with pytest.raises(ImproperlyConfigured):
            registry.aliases()

    def test_only_yes_is_a_yes(self, settings, clear):
        settings.SMS_PROVIDERS = {"spool": f"{clear}?clear=true"}
        with pytest.raises(ImproperlyConfigured, match="clear= takes yes"):
            registry.aliases()

    def test_others_have_nothing_to_say_about_it(self, settings):
        settings.SMS_PROVIDERS = {"main": "memory://?clear=yes"}
        with pytest.raises(ImproperlyConfigured, match="no option 'clear'"):
            registry.aliases()
        settings.SMS_PROVIDERS = {"main": "memory://"}
        assert provider_checks.nothing_is_in_clear() == []
