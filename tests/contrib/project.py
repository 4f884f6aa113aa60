"""Each package in a project of its own: set up as its page says, with the tests of a folder run in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: A Django project before it has Otpost.
OWN = """
SECRET_KEY = "of the project"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # good enough for tests, and fast
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
"""

URLS = """
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [path("", lambda request: HttpResponse("home")), path("admin/", admin.site.urls)]
"""


#: The page of each package.
PAGES = {path.stem: str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "django-packages").glob("*.md")}


def blocks(page: str, beginning: str) -> str:
    """The examples of a page that begin so, "" if there are none."""
    text = (ROOT / page).read_text()
    return "".join(re.findall(rf"```python\n({re.escape(beginning)}.*?)```", text, re.DOTALL))


def run(
    project: Path, directory: Path, redis_url: str, package: str, *, settings: str = "", urls: str = ""
) -> None:
    """Make a project as the docs and the page of ``package`` say, and run the tests of ``project``.

    ``settings``, ``urls``: what it has of its own beside that.
    """
    server = redis_url.rpartition("/")[0]
    written = {
        "__init__.py": "from .celery import app\n",
        "celery.py": blocks("docs/in-django.md", "# yourproject/celery.py").replace("yourproject", "shop"),
        "settings.py": OWN
        + blocks("docs/in-django.md", "# settings.py")
        + blocks(PAGES[package], f"# settings.py: {package}\n"),
        "settings_test.py": blocks("docs/testing.md", "# settings_test.py"),
        "urls.py": URLS + blocks(PAGES[package], f"# urls.py: {package}\n"),
    }
    if models := blocks(PAGES[package], f"# models.py: the user of {package}\n"):
        written["models.py"] = models
        written["settings.py"] += '\nAUTH_USER_MODEL = "shop.User"\n'
    written["settings.py"] += settings
    written["urls.py"] += urls
    shutil.copytree(project, directory, dirs_exist_ok=True)
    shop = directory / "shop"
    shop.mkdir()
    for name, text in written.items():
        (shop / name).write_text(re.sub(r"redis://localhost:6379(?=/\d)", server, text))
    (directory / "pytest.ini").touch()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "pytest_django.plugin", "-p", "sms.pytest_plugin"],
        check=False,
        cwd=directory,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "shop.settings_test",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # whatever else this machine has
            "PYTHONPATH": f"{directory}:{ROOT}",
            "SMS_PROVIDER_URL": "twilio://SID:TOKEN@?from=%2B15005550006",
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
