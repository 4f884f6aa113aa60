"""``python -m tests.reference``, which is ``make reference``: write the pages."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from tests.reference.pages import PAGES  # noqa: E402
from tests.starts import ROOT  # noqa: E402

for name, make in PAGES.items():
    (ROOT / "docs" / name).write_text(make())
