"""Every setting, read from the environment (or ``.env``). The README's table explains each.

With DEBUG off, which is the default, this is the production configuration:
``manage.py check --deploy`` is silent.
"""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config import servers
from config.environment import Environment, read_file
from config.logs import logging_config
from otp import conf
from otp.api import access, keys
from sms.conf import FREE, public_url_fault
from sms.masked import Masked

N = TypeVar("N", int, float)

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
read_file(BASE_DIR / ".env")


def _secret(name: str) -> str:
    value: str = env.str(name, default="")
    if len(value) >= 32 and len(set(value)) >= 8:
        return value
    if sys.argv[1:2] == ["api_key"]:
        return secrets.token_urlsafe(48)  # a key may be made before the secrets are
    raise ImproperlyConfigured(
        f"{name} is {'too weak' if value else 'missing'}: it must be random and have at least 32 "
        "characters. `python manage.py secrets >> .env` writes a fresh set."
    )


def _number(name: str, default: N, least: float = 0) -> N:
    """The number of a variable, of the kind of ``default``, which also stands for an empty one."""
    text = env.str(name, default="").strip()
    try:
        value = type(default)(text) if text else default
    except ValueError:
        value = type(default)(-1)
    if not least <= value < 10**9:
        kind = {int: "a whole number", float: "a number"}[type(default)]
        raise ImproperlyConfigured(f"{name} must be {kind}, {least:g} or more, such as {default:g}.")
    return value


def _text(name: str) -> Any:
    """The text of a variable; where it is empty, what the setting is by default."""
    return env.str(name, default="").strip() or conf.default(name)


def _list(name: str) -> list[str]:
    """What stands between the commas of a variable; blanks around it are nobody's."""
    return [part.strip() for part in env.str(name, default="").split(",") if part.strip()]


def _entries(variable: str, example: str, name: str, sign: str = "=") -> dict[str, str]:
    """``name=value,name=value`` of a variable; ``name`` is the pattern of a name."""
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in env.str(variable, default="").split(","))):
        key, separator, value = entry.partition(sign)
        if not separator or not re.fullmatch(name, key):
            raise ImproperlyConfigured(
                f"{variable} must look like {example}, separated by commas; a comma inside is written %2C."
            )
        if key in found:
            raise ImproperlyConfigured(f"{variable} names {key} twice.")
        found[key] = value
    return found


DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = Masked(_secret("SECRET_KEY"))
PUBLIC_URL = _text("PUBLIC_URL")
if PUBLIC_URL and (_fault := public_url_fault(PUBLIC_URL)):
    raise ImproperlyConfigured(_fault)
# Only an address that says http:// itself is served without TLS.
_TLS = not DEBUG and urlsplit(PUBLIC_URL).scheme != "http"

# --- codes and messages -------------------------------------------------------------------------

PHONE_SECRET_KEY = _secret("PHONE_SECRET_KEY")
if PHONE_SECRET_KEY == SECRET_KEY:
    raise ImproperlyConfigured(
        "PHONE_SECRET_KEY must differ from SECRET_KEY. `manage.py secrets` prints both."
    )
# Other values while it is changed, so that codes in flight outlive that.
PHONE_SECRET_KEY_FALLBACKS = _list("PHONE_SECRET_KEY_FALLBACKS")
SMS_SEAL_KEYS = _list("SMS_SEAL_KEYS")
SMS_PROVIDERS = _entries("SMS_PROVIDERS", "main=twilio://…,spare=… (letters, digits, - and _)", r"[\w-]+")
# Open to everybody at your cost, so where a provider costs money somebody has to ask for them.
_PAID = any(url.partition("://")[0] not in FREE for url in SMS_PROVIDERS.values())
PAGES = env.str("PAGES", default="").strip() or ("off" if _PAID else "open")
SMS_ROUTES = _entries("SMS_ROUTES", "default=main>spare,IR=local>main", r"\+?\w+")
SMS_DESTINATIONS = _list("SMS_DESTINATIONS")
# Seconds that a code whose outcome is unknown waits for a receipt before the next alias has it.
SMS_RECEIPT_WAIT = _number("SMS_RECEIPT_WAIT", conf.default("SMS_RECEIPT_WAIT"))
# Seconds that a code may have to wait for its turn; beyond them new ones are refused.
_WAITS = conf.default("SMS_LONGEST_WAIT")
SMS_LONGEST_WAIT = _WAITS | {"otp": _number("SMS_LONGEST_WAIT", _WAITS["otp"])}
PHONE_REGION = _text("PHONE_REGION")
OTP_SITE_NAME = _text("OTP_SITE_NAME")
MESSAGE_RECORD_HOURS = _number("MESSAGE_RECORD_HOURS", conf.default("MESSAGE_RECORD_HOURS"), least=1)
try:
    API_KEYS = keys.parse(env.str("API_KEYS", default=""))
    API_ACCESS = access.parse(env.str("API_ACCESS", default=""))
except (keys.BadKeys, access.BadAccess) as error:
    raise ImproperlyConfigured(str(error)) from None
GUARD_MODE = _text("GUARD_MODE")
GUARD_ALLOW = _list("GUARD_ALLOW")
GUARD_PRICES = _entries("GUARD_PRICES", "US=0.0079,DE=0.08,default=0.06", r"\w+")
GUARD_BUDGET = _text("GUARD_BUDGET")
# The rules of each purpose: see otp/purposes.py for the options and their defaults.
OTP_PURPOSES: dict[str, dict[str, object]] = {
    "login": {},
    "signup": {},
    "payment": {"text": "{code} confirms your payment with {site}. Never tell it to anybody."},
}

# How many SMS may be asked for, how many guesses may be wrong, whose: see otp.admission.limits. A variable
# replaces all rules of its setting.
OTP_LIMITS = _text("OTP_LIMITS")
OTP_GUESS_LIMITS = _text("OTP_GUESS_LIMITS")
OTP_CHALLENGE = _text("OTP_CHALLENGE")
# Whence a page may load and run scripts and frames beside our own: those of a captcha.
CSP_SOURCES = _list("CSP_SOURCES")
if not all(re.fullmatch(r"https://(\*\.)?[A-Za-z0-9.-]+(:\d+)?", source) for source in CSP_SOURCES):
    raise ImproperlyConfigured(
        "CSP_SOURCES must hold origins without a path, as https://captcha.example.com, separated by commas."
    )
TEST_NUMBERS = _entries("TEST_NUMBERS", "+12025550100:123456", r"[^:]*", ":")
TEST_NUMBERS_UNTIL = _text("TEST_NUMBERS_UNTIL")

# --- Redis and Celery ---------------------------------------------------------------------------

# More threads than this send no more: one process is then at the limit of one core, and late.
WORKER_CONCURRENCY = _number("WORKER_CONCURRENCY", 80, least=1)
REDIS_URL = Masked(env.str("REDIS_URL", default="redis://127.0.0.1:6379/0"))
# redis-py ends at 100 connections, and every thread of a worker may want one at once.
CACHES = {"default": servers.cache(REDIS_URL, connections=WORKER_CONCURRENCY + 100)}

# Before every key and queue, so that several installations can share a server; sms.names checks it.
OTPOST_NAMESPACE = env.str("OTPOST_NAMESPACE", default="").strip()
_NAMESPACE = f"{OTPOST_NAMESPACE}:" if OTPOST_NAMESPACE else ""

# CELERY_BROKER_URL, _CONNECTION_TIMEOUT, _TRANSPORT_OPTIONS, and what RabbitMQ needs besides.
globals().update(servers.broker(env.str("CELERY_BROKER_URL", default="") or REDIS_URL))
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker as long as it takes
CELERY_BROKER_POOL_LIMIT = 64  # connections that publish at once; opened as needed, and kept
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_DEFAULT_QUEUE = f"{_NAMESPACE}bulk"
# Whoever asks for the workers of this installation shall hear from no other.
CELERY_CONTROL_EXCHANGE = f"{_NAMESPACE}celery"
CELERY_EVENT_EXCHANGE = f"{_NAMESPACE}celeryev"
CELERY_WORKER_CONSUMER = "config.consumer:Consumer"
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = WORKER_CONCURRENCY
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # nothing to remember, so no file to lose
CELERY_BEAT_SCHEDULE = {
    f"sweep-{queue}": {"task": "sms.sweep", "schedule": 1.0, "args": (queue,)} for queue in ("otp", "bulk")
}

# --- Django -------------------------------------------------------------------------------------

INSTALLED_APPS = ["django.contrib.staticfiles", "ninja", "sms", "otp", "config.apps.OtpostConfig"]
MIDDLEWARE = [
    "config.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.AnswerMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # The error pages of this site; a project that takes the apps alone keeps its own.
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
    }
]
# No table of ours; a database is for whoever adds Django's own staff accounts.
_DATABASE = env.str("DATABASE_URL", default="")
if _DATABASE and _DATABASE.partition("://")[0] not in env.DB_SCHEMES:
    raise ImproperlyConfigured(
        "DATABASE_URL must look like sqlite:////var/lib/otpost/staff.sqlite3 or postgres://USER:PASSWORD@HOST/NAME."
    )
try:
    DATABASES = {"default": env.db("DATABASE_URL")} if _DATABASE else {}
except ValueError:  # its text holds a part of the password
    raise ImproperlyConfigured(
        "DATABASE_URL cannot be read: characters such as / # ? @ in a password are written %2F %23 %3F %40."
    ) from None
for _database in DATABASES.values():
    _database["PASSWORD"] = Masked(_database["PASSWORD"])
USE_TZ = True
LANGUAGE_CODE = "en"
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024

STATIC_URL = "static/"
# The few files are served from where they lie: there is no collectstatic step to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# localhost: the health checks of containers.
_HOSTS = _list("ALLOWED_HOSTS")
if not all(re.fullmatch(r"\*|\.?[a-z0-9_.-]+|\[[0-9a-f:.]+\]", host, re.IGNORECASE) for host in _HOSTS):
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS must hold host names as otp.internal.example.com, without https:// and without a port."
    )
ALLOWED_HOSTS = [
    *_HOSTS,
    *filter(None, [urlsplit(PUBLIC_URL).hostname]),
    "localhost",
    "127.0.0.1",
]
TRUSTED_PROXIES = _list("TRUSTED_PROXIES")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # only from TRUSTED_PROXIES
SECURE_SSL_REDIRECT = _TLS
# Programs in the same network call the API and the health checks directly.
SECURE_REDIRECT_EXEMPT = [r"^v1/", r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if _TLS else 0
# Both bind hosts that are none of ours, for a year and longer: only whoever owns the domain can want that.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", default=False)
SILENCED_SYSTEM_CHECKS = [
    *("security.W005", "security.W021"),  # they want both
    # They name settings that nobody sets here; config.W004 names PUBLIC_URL.
    *(() if _TLS else ("security.W004", "security.W008", "security.W016")),
    "sms.W021",  # nothing here uses Django's cache but codes and messages, so nobody clears it
]
SECURE_REFERRER_POLICY = "same-origin"
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = _TLS
if _TLS:  # a browser takes such a cookie from this host alone, over TLS alone
    CSRF_COOKIE_NAME, SESSION_COOKIE_NAME = "__Host-csrftoken", "__Host-sessionid"
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL.rstrip("/")] if PUBLIC_URL else []
X_FRAME_OPTIONS = "DENY"

LOGGING_CONFIG = "logging.config.dictConfig"
_LOG_LEVEL = env.str("LOG_LEVEL", default="").strip().upper() or "INFO"
if _LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
    raise ImproperlyConfigured("LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL.")
LOGGING = logging_config(json=not DEBUG, level=_LOG_LEVEL)
