"""``/widget.js``: its size, and what browsers and caches are told of it."""

from __future__ import annotations

import gzip

import pytest

from otp.widget.script import FOLDER

FILE = FOLDER / "widget.js"


def test_it_is_small():
    assert len(gzip.compress(FILE.read_bytes())) < 12 * 1024


@pytest.mark.parametrize("name", ["widget.js", "puzzle.js"])
def test_every_page_may_load_it_and_keep_it_for_a_while(client, name):
    answer = client.get(f"/{name}")
    assert (answer.status_code, answer.content) == (200, (FOLDER / name).read_bytes())
    assert answer["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert set(answer["Cache-Control"].split(", ")) == {"public", "max-age=300"}
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies
    again = client.get(f"/{name}", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.post(f"/{name}").status_code == 405


def test_it_is_sent_compressed(client):
    answer = client.get("/widget.js", headers={"Accept-Encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.content) == FILE.read_bytes()
    assert len(answer.content) < 12 * 1024
