"""The product's own settings, with secrets of this run. For these variables, no ``.env`` counts."""

import os
import secrets

from cryptography.fernet import Fernet

API_KEY = "otpost_key-of-the-tests"

os.environ |= {
    "DEBUG": "0",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "PHONE_SECRET_KEY": secrets.token_urlsafe(48),
    "SMS_SEAL_KEYS": Fernet.generate_key().decode(),
    "SMS_PROVIDERS": "test=memory://",
    "PUBLIC_URL": "http://otp.example.com",
    "PHONE_REGION": "",
    "PAGES": "open",
    "API_KEYS": "",
    "API_ACCESS": "",
    "OTPOST_NAMESPACE": "",
    "REDIS_CELLS": os.environ.get("OTPOST_TEST_CELLS", ""),
    # The fixture `redis_server` puts the real address in its place; nothing listens here.
    "REDIS_URL": "redis://127.0.0.1:9/0",
}

from config.settings import *  # noqa: E402, F403
from otp.api import keys  # noqa: E402

# Tests start many codes that nobody types; those of the guard turn it on.
GUARD_MODE = "off"
API_KEYS = {"tests": [keys.digest(API_KEY)]}
# `deliver` runs inside `send`, so that a test sees the SMS at once; tests/faults uses real workers.
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
