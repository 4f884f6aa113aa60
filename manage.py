#!/usr/bin/env python
"""Django's command line: ``python manage.py help``."""

import os
import sys
from contextlib import nullcontext

from django.core.management import execute_from_command_line

from config.start import plainly

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with nullcontext() if "--traceback" in sys.argv else plainly():
        execute_from_command_line(sys.argv)
