"""Wiring: settings, URLs, Celery, WSGI, and the demo. Nothing imports this package."""

from config import installed  # noqa: F401  (before all that needs them)
from config.celery import app as celery_app

__all__ = ["celery_app"]
