"""examples/keycloak: installed by its one command, and a login that has a really running Otpost send a code.

Keycloak itself is not here. Its part is written by hand in tests/examples/keycloak: the signatures of its SPI
to compile against, and a login that calls the authenticator.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.demo.ports import free_port
from otp.api.access import parse
from sms.testing import code_in, outbox
from tests.examples.conftest import EXAMPLES
from tests.settings import API_KEY
from tests.standards.conftest import wrong

EXAMPLE, HERE, JARS = EXAMPLES / "keycloak", Path(__file__).parent / "keycloak", Path("/usr/share/java")
SECTION = (
    (EXAMPLES.parent / "docs/auth-servers.md").read_text().partition("## Keycloak")[2].partition("\n## ")[0]
)
INSTALL = EXAMPLE / "install"
PHONE, FORM = "+12025550123", "otpost-code.ftl"
SHOWN = f"challenge {FORM}"

pytestmark = pytest.mark.together(20)


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory) -> Path:
    """The folder of a Keycloak, with the libraries of its own that the example uses, and the example."""
    if not shutil.which("javac") or not (JARS / "jackson-databind.jar").exists():
        pytest.skip(
            "there is no JDK or no Jackson (packages default-jdk-headless, libjackson2-databind-java)"
        )
    folder = tmp_path_factory.mktemp("keycloak")
    libraries, source, classes = folder / "lib/lib/main", folder / "source", folder / "classes"
    for made in (libraries, classes, folder / "providers"):
        made.mkdir(parents=True)
    for name in ("annotations", "core", "databind"):
        (libraries / f"jackson-{name}.jar").symlink_to(JARS / f"jackson-{name}.jar")
    files = re.split(r"^// (\S+\.java)\n", (HERE / "spi.txt").read_text(), flags=re.MULTILINE)
    for name, content in zip(files[1::2], files[2::2], strict=True):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(content)
    run("javac", "--release", "17", "-d", classes, *source.rglob("*.java"))
    run("jar", "--create", "--file", libraries / "keycloak-server-spi.jar", "-C", classes, ".")
    run(INSTALL, folder)
    run("javac", "-cp", f"{libraries}/*", "-d", folder, HERE / "Login.java")
    return folder


def run(*words: str | Path) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Login:
    """One of a user with ``phone``, taken step by step."""

    def __init__(self, keycloak: Path, phone: str, server: str) -> None:
        path = f"{keycloak}/lib/lib/main/*:{keycloak}/providers/otpost.jar:{keycloak}"
        self.process = subprocess.Popen(
            ["java", "-cp", path, "Login", server, API_KEY, phone],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.begun = self.told()

    def told(self) -> str:
        return self.process.stdout.readline().strip()

    def step(self, line: str) -> str:
        """ "open" the page, or send a form with a field; what comes of it."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.told()

    def end(self) -> str:
        """The log."""
        _, log = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, log
        assert not re.search(r"\d{6}", log)  # neither a code nor a number
        return log


@pytest.fixture
def login(keycloak, otpost, settings) -> Iterator[Callable[..., Login]]:
    settings.API_ACCESS = parse(re.findall(r"API_ACCESS=(\S+)", SECTION)[0].replace("keycloak=", "tests="))
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    begun: list[Login] = []

    def begin(phone: str = PHONE, server: str = otpost) -> Login:
        begun.append(Login(keycloak, phone, server))
        return begun[-1]

    yield begin
    for one in begun:
        one.process.kill()
        one.process.communicate()


def newest() -> str:
    return code_in(outbox[-1].body)


def test_a_user_logs_in_with_a_code(login):
    user = login()
    assert user.begun == "otpost configured"  # as META-INF/services names it
    assert user.step("open") == SHOWN
    assert [sms.to for sms in outbox] == [PHONE]
    assert "ist Ihr" in outbox[0].body  # in the language of the login
    assert user.step("open") == SHOWN  # loaded again
    assert user.step(f"code={wrong(newest())}") == f"INVALID_CREDENTIALS {FORM} otpostWrong"
    assert user.step("code= ") == SHOWN
    assert user.step(f"code={newest()} ") == "success"
    assert len(outbox) == 1
    assert "Otpost" not in user.end()


def test_a_code_that_is_over_is_followed_by_a_new_one(login):
    user = login()
    user.step("open")
    bad = wrong(newest())
    answers = [user.step(f"code={bad}") for _ in range(4)]
    assert answers[0].startswith("INVALID_CREDENTIALS")
    assert answers[-1] == f"{SHOWN} otpostOver"
    assert user.step("again=yes") == SHOWN
    assert len(outbox) == 2
    assert user.step(f"code={newest()}") == "success"


def test_whoever_asks_too_soon_waits_and_the_code_lives(login, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 30}}
    user = login()
    user.step("open")
    assert user.step("again=yes") == f"{SHOWN} otpostWait"
    assert user.step(f"code={newest()}") == "success"


def test_the_address_of_the_user_counts(login, settings):
    settings.OTP_LIMITS = "ip=1/10m"
    assert login().step("open") == SHOWN
    assert login("+12025550124").step("open") == f"{SHOWN} otpostWait"


def test_a_user_without_a_number_and_one_that_gets_no_sms(login):
    assert login("").begun == "otpost not configured"
    assert login("+1202").step("open") == f"{SHOWN} otpostNoNumber"


def test_what_the_operator_has_to_mend_is_logged(login, settings):
    user = login(server=f"http://127.0.0.1:{free_port()}")
    assert user.step("open") == f"{SHOWN} otpostAway"
    assert "Otpost cannot be asked: java.net.ConnectException" in user.end()
    settings.API_ACCESS = parse("tests=verify")
    user = login()
    assert user.step("open") == f"{SHOWN} otpostAway"
    assert "Otpost cannot be asked: it answered 403 client_ip_not_allowed" in user.end()


def test_each_message_has_its_words():
    told = (EXAMPLE / "resources/theme-resources/messages/messages_en.properties").read_text()
    known = set(re.findall(r"^(\w+)=", told, re.MULTILINE))
    source = "".join(path.read_text() for path in EXAMPLE.rglob("*.java"))
    page = (EXAMPLE / "resources/theme-resources/templates" / FORM).read_text()
    assert known == set(re.findall(r'"(otpost[A-Z]\w+)"', source + page))


def test_the_docs_name_the_command_and_what_is_to_be_set():
    assert f"examples/keycloak/{INSTALL.name} /opt/keycloak" in SECTION
    factory = (EXAMPLE / "src/otpost/OtpostAuthenticatorFactory.java").read_text()
    labels = re.findall(r'property\(\s*"\w+", "(.+?)"', factory)
    assert len(labels) == 3
    for label in (*labels, *re.findall(r'return "(Code by .+)"', factory)):
        assert f"*{label}*" in SECTION
