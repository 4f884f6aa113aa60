"""The settings of a shop: its own, those of Otpost as docs/in-django.md has them, and those of django-allauth."""

from pathlib import Path

SECRET_KEY = "of the example"
DEBUG = True
ROOT_URLCONF = "shop.urls"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parents[1] / "db.sqlite3"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "shop.User"
LOGIN_REDIRECT_URL = "/"
STATIC_URL = "static/"
INSTALLED_APPS = [
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

# settings.py
import os

INSTALLED_APPS += ["sms", "otp"]
CACHES = {
    "default": {                                            # your own cache, whatever it is
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "redis://localhost:6379/0",
    },
    "otpost": {                                             # a Redis database of its own: in a shared one, clear() deletes the codes
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://localhost:6379/1",
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 1, "SOCKET_TIMEOUT": 1},  # if Redis hangs, callers still get an answer
    },
}
OTPOST_CACHE = "otpost"                                     # where codes and messages live; "default" without it
PHONE_SECRET_KEY = os.environ["PHONE_SECRET_KEY"]           # 32 random characters or more
SMS_SEAL_KEYS = os.environ["SMS_SEAL_KEYS"].split(",")      # Fernet keys
SMS_PROVIDERS = {"main": os.environ["SMS_PROVIDER_URL"]}    # twilio://SID:TOKEN@?from=%2B15005550006
SMS_DESTINATIONS = ["US", "CA"]                             # countries that SMS may go to: name yours
PUBLIC_URL = "https://example.com"                          # the last line of each SMS with a code names its host
OTP_SITE_NAME = "Example"                                   # what the SMS calls you
CELERY_BROKER_URL = "redis://localhost:6379/1"
CELERY_WORKER_CONSUMER = "sms.consumer:Consumer"            # a worker that reconnects within a second
CELERY_BEAT_SCHEDULE = {
    f"sweep-{queue}": {"task": "sms.sweep", "schedule": 1.0, "args": (queue,)} for queue in ("otp", "bulk", "events")
}

# settings.py: django-allauth
INSTALLED_APPS += ["allauth", "allauth.account"]
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ACCOUNT_ADAPTER = "otp.contrib.allauth.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"phone"}
ACCOUNT_SIGNUP_FIELDS = ["phone*", "password1*"]
ACCOUNT_LOGIN_BY_CODE_ENABLED = True                        # log in without the password
ACCOUNT_PHONE_VERIFICATION_SUPPORTS_RESEND = True
