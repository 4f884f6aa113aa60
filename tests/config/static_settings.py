"""The product's own settings, with the static files of one more folder."""

import os

from config.settings import *  # noqa: F403

STATICFILES_DIRS = [os.environ["STATIC_FOLDER"]]
