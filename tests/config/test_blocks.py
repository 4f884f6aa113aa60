"""Every block of the docs is run, by this file or by a test that it names, or it says why it cannot be."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

from otp import services
from otp.handler import OTPHandler
from sms import services as messages
from tests.config import runners as by
from tests.config.test_docs import PAGES
from tests.starts import ROOT

_BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    page: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0][:50]}"


BLOCKS = [
    Block(str(page.relative_to(ROOT)), language, textwrap.dedent(text))
    for page in PAGES
    for _, language, text in _BLOCK.findall(page.read_text())
]


class CannotRun(str):
    """Why."""


START, HAND_OFF = "tests/examples/test_start.py", "tests/examples/test_handoff_flask.py"
TWILIO, WIDGET = "tests/otp/twilio/test_page.py", "tests/examples/test_widget.py"
AUTH, SUPABASE = "tests/otp/hooks/test_mappings.py", "tests/examples/test_supabase.py"
CLIENTS, PROJECT = "tests/clients/test_generated.py", "tests/e2e/test_in_a_project.py"
MOVING, TESTING = "tests/contrib/moving/test_moving.py", "tests/sms/test_testing.py"
ALLAUTH, TWO_FACTOR = "tests/contrib/allauth/test_allauth.py", "tests/contrib/two_factor/test_two_factor.py"
REFERENCE = "tests/reference/test_pages.py"

TARGETS = CannotRun(
    "the whole of make: demo, test, lint and docs are steps of CI; the others take too long, or have a test"
)
INSTALLS = CannotRun("fetches packages, which CI has installed")
CLUSTER = CannotRun("needs Docker and a cluster; .ci/check_chart.py renders the chart")
MACHINE = CannotRun("needs root, and systemd, Docker or a cluster")
OTHERS = CannotRun("a file of another program, which is not here")

EVERY_CHANNEL = {
    "wa": "whatsapp://:TOKEN@106540352242922?template=verify_code&only=codes",
    "main": "twilio://SID:TOKEN@?from=%2B15005550006",
    "call": "twilio-voice://SID:TOKEN@?from=%2B15005550006&only=codes",
}
ALIASES = ",".join(
    f"{alias}=twilio://SID:TOKEN@?from=%2B15005550006"
    for alias in ("main", "spare", "local", "uk", "wa", "call")
)
REVERSE = {
    "SMS_PROVIDERS": {"main": "twilio://AC1:t0ken@?from=%2B12025550100"},
    "OTP_PURPOSES": {"signup": {"reverse": True}},
    "OTP_REVERSE": {"main": "+12025550100"},
}

GENERATED = ("docs/reference/", "docs/vendors/")

#: Each block of each page, by how it begins: what runs it, the test that does, or why nothing can.
TABLE: dict[str, dict[str, by.Runner | str]] = {
    "README.md": {"make demo": TARGETS, "curl ": START, "from otp import": START},
    "CONTRIBUTING.md": {
        "make demo": TARGETS,
        "config/ ": by.folders,
        '"""``acme:': "tests/sms/providers/test_acme.py",
        "make test ARGS": TARGETS,
        "-- Count one more": "tests/sms/test_lua_source.py",
        "npm install": by.packages_of_npm,
    },
    "docs/auth-servers.md": {
        "HOOKS=supabase=v1,whsec_c2VjcmV0IG9mIHRoZSBob29rLCAzMiBieXRlcy4=\n": SUPABASE,
        "HOOKS=supabase=v1,whsec_c2VjcmV0IG9mIHRoZSBob29rLCAzMiBieXRlcy4= make": SUPABASE,
        "export HOOK_URL": SUPABASE,
        "exports.": AUTH,
        "courier:": by.channel_of_ory,
        "function(ctx)": AUTH,
        "API_ACCESS=": "tests/examples/test_keycloak.py",
        "examples/keycloak/install": "tests/examples/test_keycloak.py",
    },
    "docs/challenge.md": {
        "import json": by.turnstile,
        "{% extends": by.template_of_the_first_page,
        "<otpost-verify": by.captcha_in_the_widget,
    },
    "docs/channels.md": {"SMS_PROVIDERS=tg=": "tests/config/test_environment.py"},
    "docs/clients.md": {
        "npm install": CLIENTS,
        "// verify.mts": CLIENTS,
        "npx tsc": CLIENTS,
        "pip install": CLIENTS,
        "# verify.py": CLIENTS,
        "python verify.py": CLIENTS,
    },
    "docs/cluster.md": {
        "REDIS_URL=": by.environment(),
        'CACHES["otpost"]': by.settings_of(CACHES={"default": {"BACKEND": by.DUMMY}}, OTPOST_CACHE="otpost"),
    },
    "docs/django-packages/django-allauth.md": {
        "# settings.py": ALLAUTH,
        "# models.py": ALLAUTH,
        "# urls.py": ALLAUTH,
    },
    "docs/django-packages/django-otp.md": {
        "# settings.py": "tests/contrib/django_otp/test_django_otp.py",
        "from otp.contrib.django_otp": by.a_device,
    },
    "docs/django-packages/django-two-factor-auth.md": {"# settings.py": TWO_FACTOR, "# urls.py": TWO_FACTOR},
    "docs/email.md": {
        "# .env\nSMS_PROVIDERS=mail=email://?from=codes@shop.example,": by.environment(),
        "# .env\nSMS_PROVIDERS=mail=email://?from=codes@shop.example&": by.environment(),
    },
    "docs/gateway.md": {
        "python3 -c": by.quoted,
        "SMS_PROVIDERS=main=https://:API_TOKEN": by.environment(SMS_DESTINATIONS="DE"),
        "SMS_PROVIDERS=main=https://gateway": by.environment(SMS_DESTINATIONS="DE"),
    },
    "docs/guard.md": {"scope ": by.head_of_the_guard},
    "docs/hand-off.md": {
        "API_ACCESS=": HAND_OFF,
        '"""A shop': HAND_OFF,
        "pip install": "tests/examples/conftest.py",
        "curl https://verify.example.com/v1/sessions -H": HAND_OFF,
        "curl https://verify.example.com/v1/sessions/3kTq": HAND_OFF,
    },
    "docs/http-api.md": {
        "curl https://verify.example.com/v1/verifications": by.calls(),
        "curl https://verify.example.com/v1/messages": by.calls(),
        "28 November": by.story_of_a_user,
    },
    "docs/in-django.md": {
        "pip install": INSTALLS,
        "# settings.py": PROJECT,
        "# urls.py": PROJECT,
        "# yourproject/celery.py": PROJECT,
        "import structlog": PROJECT,
        "from otp import services": by.a_view,
        "from otp.handler": by.program(),
        "# yourproject/api.py": by.their_api,
        "# settings_dev.py": PROJECT,
        "# yourproject/urls.py": PROJECT,
    },
    "docs/index.md": {"make demo": TARGETS},
    "docs/keys.md": {"API_ACCESS=": by.environment(API_KEYS=f"shop:{'0' * 64},ops:{'1' * 64}")},
    "docs/kubernetes/README.md": {
        "docker build": CLUSTER,
        "umask": CLUSTER,
        "docker run": CLUSTER,
        "image:": by.values_of_the_chart,
        "helm install": CLUSTER,
    },
    "docs/languages.md": {"cd otp": CannotRun("writes into the checkout, and needs gettext")},
    "docs/limits.md": {"OTP_LIMITS=": by.environment(), "OTP_GUESS_LIMITS=": by.environment()},
    "docs/lookups.md": {
        "OTP_LOOKUPS=twilio": by.environment(),
        "OTP_LOOKUPS=operator": by.environment(),
    },
    "docs/monitoring/README.md": {
        "python manage.py secrets": by.token_of_prometheus,
        "# /etc/prometheus": "tests/monitoring/test_prometheus.py",
        "sed ": by.alerts,
        "# /etc/grafana": OTHERS,
    },
    "docs/moving-from-allauth-codes.md": {
        "# shop/adapter.py, before": MOVING,
        "# settings.py, before": MOVING,
        "# settings.py, after\n": MOVING,
        "python manage.py check": MOVING,
        "# shop/adapter.py, after": MOVING,
        "# settings.py, after, with": MOVING,
    },
    "docs/moving-from-django-phone-verify.md": {
        "# settings.py, before": CannotRun("settings of django-phone-verify, as they were before"),
        "# settings.py, after": MOVING,
        "# shop/phone_api.py": MOVING,
        "# urls.py, after": MOVING,
        "python manage.py check": MOVING,
    },
    "docs/namespaces.md": {"OLD=": by.a_new_namespace, "redis-cli --raw": by.a_new_slot},
    "docs/opt-outs.md": {
        "group = sms-service": by.group_of_kannel,
        "from django.dispatch": by.receiver_of_messages,
    },
    "docs/pages.md": {"OTP_SITE_NAME=": by.environment()},
    "docs/production.md": {"python3 -m venv": by.setup, "python -m config.web": "tests/config/test_web.py"},
    "docs/proof-of-work.md": {"OTP_CHALLENGE=": by.environment(), "const { answer": by.puzzle},
    "docs/purposes.md": {"OTP_PURPOSES": by.settings_of(SMS_PROVIDERS=EVERY_CHANNEL)},
    "docs/rabbitmq.md": {"CELERY_BROKER_URL=": by.environment()},
    "docs/readiness.md": {'{"status"': by.readiness},
    "docs/redis.md": {"REDIS_URL=": by.environment()},
    "docs/reverse.md": {"# .env": by.environment(), "curl ": by.calls(**REVERSE)},
    "docs/routes.md": {"SMS_ROUTES=": by.environment(SMS_PROVIDERS=ALIASES, SMS_DESTINATIONS="DE,IR,GB,BR")},
    "docs/runbook.md": {"journalctl": by.log_lines},
    "docs/scale.md": {
        ".venv/bin/python": by.capacity,
        "REDIS_URL=": by.environment(),
        "import hashlib": by.shards,
    },
    "docs/security.md": {"python3 -m venv": INSTALLS},
    "docs/start/any-language.md": {
        "make demo": TARGETS,
        "export OTPOST_URL": START,
        'curl -s "$OTPOST_URL/v1/verifications"': START,
        "ID=": START,
        'curl -s "$OTPOST_URL/v1/verifications/$ID': START,
        "// verify.mjs": START,
        "node verify.mjs": START,
        "# verify.py": START,
        "python3 verify.py": START,
    },
    "docs/start/demo.md": {"make demo": TARGETS, "make test": TARGETS},
    "docs/start/django.md": {
        "# without Docker": INSTALLS,
        "mkdir shop": START,
        "python - > shop/secret_settings.py": START,
        "# shop/settings.py": START,
        "# shop/celery.py": START,
        "# shop/__init__.py": START,
        "# accounts/views.py": START,
        "<!-- accounts/templates": START,
        "# shop/urls.py": START,
        "python manage.py migrate": START,
    },
    "docs/smpp.md": {"SMS_PROVIDERS=": by.environment()},
    "docs/telegram.md": {"SMS_PROVIDERS='tg=": by.environment()},
    "docs/testing.md": {"# settings_test": TESTING, "from sms": TESTING, "import fakeredis": TESTING},
    "docs/traces.md": {
        ".venv/bin/pip": INSTALLS,
        "# .env. Without": by.exported,
        "POST /v1": CannotRun("a picture of a trace; tests/sms/test_traces.py has the spans"),
        "FROM ": CannotRun("needs Docker"),
    },
    "docs/twilio-verify.md": {
        "OTP_PURPOSES='": TWILIO,
        "OTP_PURPOSES={": TWILIO,
        "account ": TWILIO,
        "from twilio": TWILIO,
        "const twilio": TWILIO,
        "curl ": TWILIO,
        '{"code"': by.error_of_twilio,
    },
    "docs/voice.md": {"SMS_PROVIDERS=main=": by.environment()},
    "docs/webhooks.md": {
        "# .env": by.environment(),
        "from standardwebhooks": by.event,
        "python manage.py webhooks": "tests/sms/webhooks/test_command.py",
    },
    "docs/whatsapp.md": {
        'curl "https://graph.facebook.com/v26.0/$WABA_ID': "tests/sms/providers/test_whatsapp.py",
        'curl "https://graph.facebook.com/v26.0/$PHONE': CannotRun("needs an account of WhatsApp's"),
        "SMS_PROVIDERS='wa=": by.environment(),
    },
    "docs/widget.md": {
        "API_ACCESS=": WIDGET,
        "curl https://verify.example.com/v1/sessions -H": WIDGET,
        "<!doctype": WIDGET,
        "curl https://verify.example.com/v1/sessions/3kTq": WIDGET,
        "export ": WIDGET,
    },
    "docs/rotating-keys.md": {"export REDISCLI_AUTH": by.a_new_password},
    "docs/year.md": {
        "cd /opt/otpost": MACHINE,
        "useradd": MACHINE,
        "git clone": MACHINE,
        "umask": by.a_copy,
        "PASSWORD=": by.a_restore,
        "journalctl": by.log_lines,
        "sources:": OTHERS,
    },
    "docs/reference/http-api.md": {"{": "tests/otp/api/test_examples.py"},
    "docs/reference/python.md": {
        "": REFERENCE,
        "from otp import services\n": by.program(),
        "verification = services.start(": by.program(services=services),
        "issued = OTPHandler": by.program(OTPHandler=OTPHandler),
        "from sms import services\n": by.program(),
        "message = services.send(": by.program(services=messages),
        "from sms.testing import": by.program(),
        "def test_login(": by.their_test,
    },
    "docs/vendors/console.md": {"SMS": by.started(DEBUG="1")},
    "docs/vendors/file.md": {"SMS": by.started(DEBUG="1")},
    "docs/vendors/sandbox.md": {"SMS": by.started(DEBUG="1")},
    "docs/vendors/email.md": {
        "SMS": by.started(EMAIL_URL="smtp://mail.example:25"),
        "python manage.py providers": by.commands,
    },
    "docs/vendors/kannel.md": {
        "SMS": by.started(SMS_DESTINATIONS="DE"),
        "group = sms-service": by.group_of_kannel,
        "python manage.py providers": by.commands,
    },
    "docs/vendors/*.md": {
        "SMS_PROVIDERS=main=": by.started(SMS_DESTINATIONS="DE"),
        "python manage.py providers": by.commands,
        "": REFERENCE,
    },
}


def row_of(block: Block) -> tuple[str, str]:
    """Its page and beginning in the table; of two beginnings, the longer one."""
    for page, rows in TABLE.items():
        if fnmatchcase(block.page, page) and (fits := [one for one in rows if block.text.startswith(one)]):
            return page, max(fits, key=len)
    raise LookupError(f"Nothing runs it. Give it a row in TABLE.\n{block.text}")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block(block, request):
    page, beginning = row_of(block)
    runs = TABLE[page][beginning]
    if page != "docs/reference/python.md":
        by.LANGUAGES.get(block.language, str)(block.text)
    if isinstance(runs, CannotRun):
        assert runs
    elif isinstance(runs, str):
        path = Path(block.page)
        names = [path.name] if len(path.parts) < 3 else [path.name, f'"{path.stem}"', str(path.parent)]
        assert any(name in (ROOT / runs).read_text() for name in names), f"{runs} does not name the page"
    else:
        runs(block.text, request.getfixturevalue)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_missed(page):
    fences = re.findall("^ *(?:```|~~~)", page.read_text(), re.MULTILINE)
    assert len(fences) == 2 * sum(block.page == str(page.relative_to(ROOT)) for block in BLOCKS)


def test_every_row_is_of_one_block():
    """So each further block needs a row of its own. Only a row of generated pages covers every such block."""
    used = Counter(row_of(block) for block in BLOCKS)
    rows = {(page, row) for page, rows in TABLE.items() for row in rows}
    assert rows - used.keys() == set()
    assert [row for row, times in used.items() if times > 1 and not row[0].startswith(GENERATED)] == []
