"""``{% brand as brand %}``: whose pages these are. A tag, as error pages are given no context."""

from __future__ import annotations

from django.template import Library

from otp.pages import brand as brands

register = Library()

register.simple_tag(brands.brand)
