"""``python -m tests.reference``, which is ``make reference``: write the pages."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from tests.reference.pages import FOLDER, PAGES  # noqa: E402

for name, make in PAGES.items():
    (FOLDER / name).write_text(make())
