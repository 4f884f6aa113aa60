"""Somebody at a browser without JavaScript."""

from __future__ import annotations

import html
import re
from http.cookiejar import CookieJar
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, build_opener


class Browser:
    """Follows links, forms and refreshes."""

    def __init__(self) -> None:
        self.cookies = CookieJar()
        self._open = build_opener(HTTPCookieProcessor(self.cookies)).open
        self.asked = self.url = self.page = ""  # asked: where it went last, even if nobody answered

    def go(self, url: str, fields: dict[str, str] | None = None) -> None:
        data = None if fields is None else urlencode(fields).encode()
        self.asked = urljoin(self.url, url)
        with self._open(self.asked, data, timeout=30) as answer:
            self.url, self.page = answer.url, answer.read().decode()
        if refresh := re.search(r'http-equiv="refresh" content="\d;url=(.+?)"', self.page):
            self.go(html.unescape(refresh[1]))

    def submit(self, **typed: str) -> None:
        """Send the first form of the page."""
        form = re.search(r'<form method="post"(?: action="(.*?)")?(.*?)</form>', self.page, re.DOTALL)
        assert form, self.page
        hidden = re.findall(r'<input type="hidden" name="(.+?)" value="(.*?)"', form[2])
        self.go(form[1] or self.url, {name: html.unescape(value) for name, value in hidden} | typed)
