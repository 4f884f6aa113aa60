"""The web server's entry: ``granian --interface wsgi config.wsgi:application``."""

import os

from django.core.management.base import BaseCommand
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
# Refuse to start on settings that cannot work; `manage.py` does so by itself.
BaseCommand().check()
