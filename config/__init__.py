"""Otpost's own server: settings, URLs, Celery, WSGI, and the demo. Nothing imports this package."""

from config import installed  # noqa: F401  (before everything that needs the packages)
from config.celery import app as celery_app

__all__ = ["celery_app"]
