"""Django settings of Otpost's own server, read from the environment or from ``.env``.

docs/reference/settings.md describes each variable. DEBUG is off by default, and then this is the production
configuration: ``manage.py check --deploy`` finds nothing.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from config import servers
from config.environment import FILE, Environment, read_file
from config.logs import logging_config
from config.mail import mailers
from otp import conf
from otp.api import access, keys
from otp.hooks import settings as hooks
from sms.conf import public_url_fault
from sms.masked import Masked

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
read_file(FILE)

DEBUG = env.flag("DEBUG")
SECRET_KEY = Masked(env.secret("SECRET_KEY"))
PUBLIC_URL = env.setting("PUBLIC_URL")
if PUBLIC_URL and (_fault := public_url_fault(PUBLIC_URL)):
    raise ImproperlyConfigured(_fault)
# TLS is expected unless PUBLIC_URL itself says http://.
_TLS = not DEBUG and urlsplit(PUBLIC_URL).scheme != "http"

# --- codes and messages -------------------------------------------------------------------------

PHONE_SECRET_KEY = env.secret("PHONE_SECRET_KEY")
if PHONE_SECRET_KEY == SECRET_KEY:
    raise ImproperlyConfigured(
        "PHONE_SECRET_KEY must differ from SECRET_KEY. `manage.py secrets PHONE_SECRET_KEY` prints one."
    )
PHONE_SECRET_KEY_FALLBACKS = env.list("PHONE_SECRET_KEY_FALLBACKS")
SMS_SEAL_KEYS = env.list("SMS_SEAL_KEYS")
SMS_OPTOUT_KEYS = env.list("SMS_OPTOUT_KEYS")
SMS_HELP = env.text("SMS_HELP")
SMS_PROVIDERS = env.entries("SMS_PROVIDERS", "main=twilio://…,spare=… (letters, digits, - and _)", r"[\w-]+")
# Django reads MAILERS since 6.1; our e-mail channel reads it on every version.
MAILERS = mailers(env.text("EMAIL_URL"))
ANYMAIL = env.entries("ANYMAIL", "POSTMARK_SERVER_TOKEN=…,WEBHOOK_SECRET=NAME:PASSWORD", r"[A-Z_]+")
if ANYMAIL and not find_spec("anymail"):
    raise ImproperlyConfigured("ANYMAIL needs django-anymail. Install otpost[anymail], or drop the variable.")
# Pages that are open to everybody spend your money, so "open" is never the default.
PAGES = env.text("PAGES") or "sessions"
SMS_ROUTES = env.entries("SMS_ROUTES", "default=main>spare,IR=local>main", r"\+?\w+")
SMS_ROUTING = env.setting("SMS_ROUTING")
SMS_CODE_WORTH = env.number("SMS_CODE_WORTH", conf.default("SMS_CODE_WORTH"))
SMS_DESTINATIONS = env.list("SMS_DESTINATIONS")
SMS_RECEIPT_WAIT = env.number("SMS_RECEIPT_WAIT", conf.default("SMS_RECEIPT_WAIT"))
SMS_LONGEST_WAIT = env.number("SMS_LONGEST_WAIT", conf.default("SMS_LONGEST_WAIT")["otp"])
METRICS_TOKEN = env.text("METRICS_TOKEN")
PHONE_REGION = env.setting("PHONE_REGION")
OTP_SITE_NAME = env.setting("OTP_SITE_NAME")
OTP_SITE_LOGO = env.text("OTP_SITE_LOGO")
OTP_SITE_COLOR = env.text("OTP_SITE_COLOR")
WEBHOOKS = env.entries("WEBHOOKS", "shop=https://example.com/hook#secret=whsec_…", r"[\w-]+")
MESSAGE_RECORD_HOURS = env.number("MESSAGE_RECORD_HOURS", conf.default("MESSAGE_RECORD_HOURS"), least=1)
try:
    API_KEYS = keys.parse(env.text("API_KEYS"))
    API_ACCESS = access.parse(env.text("API_ACCESS"))
except (keys.BadKeys, access.BadAccess) as error:
    raise ImproperlyConfigured(str(error)) from None
HOOKS = hooks.parse(env.text("HOOKS"))
GUARD_MODE = env.setting("GUARD_MODE")
GUARD_ALLOW = env.list("GUARD_ALLOW")
GUARD_PRICES = env.entries("GUARD_PRICES", "US=0.0079,DE=0.08,default=0.06", r"(\w+:)?\w+")
GUARD_BUDGET = env.setting("GUARD_BUDGET")
OTP_PURPOSES = env.json("OTP_PURPOSES", conf.default("OTP_PURPOSES"))
OTP_LIMITS = env.setting("OTP_LIMITS")
OTP_GUESS_LIMITS = env.setting("OTP_GUESS_LIMITS")
OTP_CHALLENGE = env.setting("OTP_CHALLENGE")
OTP_ALTCHA = env.entries("OTP_ALTCHA", "hot=0.8,work=8000", r"\w+")
OTP_LOOKUPS = env.entries(
    "OTP_LOOKUPS", "twilio=twilio-lookup://…,operator=camara://… (letters, digits, - and _)", r"[\w-]+"
)
OTP_REVERSE = env.entries("OTP_REVERSE", "main=+12025550100|+442079460100,spare=…", r"[\w-]+")
# Further origins of scripts and frames, such as those of a captcha.
CSP_SOURCES = env.list(
    "CSP_SOURCES",
    r"https://(\*\.)?[A-Za-z0-9.-]+(:\d+)?",
    "origins without a path, such as https://captcha.example.com, separated by commas",
)
TEST_NUMBERS = env.entries("TEST_NUMBERS", "+12025550100:123456", r"[^:]*", ":")
TEST_NUMBERS_UNTIL = env.setting("TEST_NUMBERS_UNTIL")

# --- Redis and Celery ---------------------------------------------------------------------------

# 80 threads keep one core busy. More threads do not send more messages, and send them later.
WORKER_CONCURRENCY = env.number("WORKER_CONCURRENCY", 80, least=1)
REDIS_URL = Masked(env.text("REDIS_URL", unset="redis://127.0.0.1:6379/0"))
# redis-py's own limit is 100 connections, but every thread of a worker may need one at the same time.
CACHES, OTPOST_CACHE = servers.caches(REDIS_URL, connections=WORKER_CONCURRENCY + 100)
REDIS_CELLS = env.number("REDIS_CELLS", conf.default("REDIS_CELLS"))
REDIS_CELLS_BEFORE = env.number("REDIS_CELLS_BEFORE", conf.default("REDIS_CELLS_BEFORE"))
OTPOST_COPIES = env.number("OTPOST_COPIES", conf.default("OTPOST_COPIES"))
OTPOST_NAMESPACE = env.text("OTPOST_NAMESPACE")
_NAMESPACE = f"{OTPOST_NAMESPACE}:" if OTPOST_NAMESPACE else ""

# CELERY_BROKER_URL, _CONNECTION_TIMEOUT, _TRANSPORT_OPTIONS, and some more for RabbitMQ.
globals().update(servers.broker(env.text("CELERY_BROKER_URL") or REDIS_URL))
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker forever
CELERY_BROKER_POOL_LIMIT = 64  # connections for publishing; opened as needed, then kept
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = f"{_NAMESPACE}bulk"
# Installations that share a broker must not answer each other's `inspect ping`.
CELERY_CONTROL_EXCHANGE = f"{_NAMESPACE}celery"
CELERY_EVENT_EXCHANGE = f"{_NAMESPACE}celeryev"
CELERY_WORKER_CONSUMER = "config.consumer:Consumer"
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = WORKER_CONCURRENCY
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # in memory: there is no state worth a file
CELERY_BEAT_SCHEDULE = {
    f"sweep-{queue}": {"task": "sms.sweep", "schedule": 1.0, "args": (queue,)}
    for queue in ("otp", "bulk", "events")
}

# --- Django -------------------------------------------------------------------------------------

INSTALLED_APPS = ["django.contrib.staticfiles", "sms", "otp", "config.apps.OtpostConfig"]
INSTALLED_APPS += ["anymail"] if ANYMAIL else []
MIDDLEWARE = [
    "config.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.AnswerMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# While MIDDLEWARE equals this, API requests skip the middleware that only pages need: see config.middleware.
SITE_MIDDLEWARE = tuple(MIDDLEWARE)
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # The error pages of this server. A project that installs only the apps keeps its own.
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
    }
]
# Otpost has no tables. A database is only needed for Django's own staff accounts.
_DATABASE = env.text("DATABASE_URL")
if _DATABASE and _DATABASE.partition("://")[0] not in Env.DB_SCHEMES:
    raise ImproperlyConfigured(
        "DATABASE_URL must look like sqlite:////var/lib/otpost/staff.sqlite3 or postgres://USER:PASSWORD@HOST/NAME."
    )
try:
    DATABASES = {"default": Env.db_url_config(_DATABASE)} if _DATABASE else {}
except ValueError:  # its text holds a part of the password, so it is not chained
    raise ImproperlyConfigured(
        "DATABASE_URL cannot be read. In a password, write / # ? @ as %2F %23 %3F %40."
    ) from None
for _database in DATABASES.values():
    _database["PASSWORD"] = Masked(_database["PASSWORD"])
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024

STATIC_URL = "static/"
# Serve the few static files from where they are, without a collectstatic step that one could forget.
WHITENOISE_USE_FINDERS = True

# localhost is for the health checks of containers.
ALLOWED_HOSTS = [
    *env.list(
        "ALLOWED_HOSTS",
        r"\*|\.?[A-Za-z0-9_.-]+|\[[A-Fa-f0-9:.]+\]",
        "host names such as otp.internal.example.com, without https:// and without a port",
    ),
    *filter(None, [urlsplit(PUBLIC_URL).hostname]),
    "localhost",
    "127.0.0.1",
]
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # only from TRUSTED_PROXIES
SECURE_SSL_REDIRECT = _TLS
# Programs in the same network call the API, health checks and metrics directly, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^v[12]/", r"^healthz$", r"^readyz$", *([r"^metrics$"] if METRICS_TOKEN else [])]
SECURE_HSTS_SECONDS = 31_536_000 if _TLS else 0
# Both commit other hosts of the domain to TLS for a year and more. That is for the domain's owner to decide.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_INCLUDE_SUBDOMAINS")
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD")
SILENCED_SYSTEM_CHECKS = [
    *("security.W005", "security.W021"),  # they ask for those two
    # They name settings that no variable sets. Our config.W004 names PUBLIC_URL instead.
    *(() if _TLS else ("security.W004", "security.W008", "security.W016")),
    "mail.W001",  # without EMAIL_URL, nothing here sends mail
    "sms.W021",  # only codes and messages use Django's cache here, so nobody clears it
]
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = _TLS
if _TLS:  # browsers accept the prefix only over TLS, and from this host itself
    CSRF_COOKIE_NAME, SESSION_COOKIE_NAME = "__Host-csrftoken", "__Host-sessionid"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "config.error_pages.no_csrf_token"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL.rstrip("/")] if PUBLIC_URL else []

_LOG_LEVEL = env.text("LOG_LEVEL").upper() or "INFO"
if _LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
    raise ImproperlyConfigured("LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL.")
LOGGING = logging_config(json=not DEBUG, level=_LOG_LEVEL)
