#!/usr/bin/env python
"""Django's command line: ``python manage.py help``."""

import os
import sys
from contextlib import nullcontext

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from config.start import plainly

#: These work without valid settings. So does ``--help`` after any command.
HELP = ("help", "--help", "-h", "version", "--version", "providers")


def secrets() -> None:
    """Print the first secrets. Without secrets the settings cannot be loaded yet."""
    from otp.management.commands.secrets import Command

    settings.configure()
    Command().run_from_argv(sys.argv)


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command == "secrets":
        secrets()
        sys.exit()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with nullcontext() if "--traceback" in sys.argv else plainly():
        try:
            _any = settings.INSTALLED_APPS  # load them now: some of Django's commands ignore broken ones
        except ImproperlyConfigured:
            if not {*HELP}.intersection(sys.argv):
                raise
            settings.configure(INSTALLED_APPS=["django.contrib.staticfiles", "sms", "otp"])
        execute_from_command_line(sys.argv)
