"""The caches of browsers: a version for each content, and no content again for whoever has it."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from otp import etags


@pytest.mark.parametrize(("known", "status"), [("", 200), ("old", 200), ("new", 304), ("old, new", 304)])
def test_whoever_has_it_is_told_so(known, status):
    tags = {name: f'"{etags.version(name.encode())}"' for name in ("old", "new")}
    head = ", ".join(tags[name] for name in known.split(", ") if name)
    request = RequestFactory().get("/", headers={"If-None-Match": head} if head else {})
    response = HttpResponse(b"new", headers={"Cache-Control": "no-cache"})
    answer = etags.answer(request, response, etags.version(b"new"))
    assert (answer.status_code, answer.content) == (status, b"new" if status == 200 else b"")
    assert (answer["ETag"], answer["Cache-Control"]) == (tags["new"], "no-cache")
