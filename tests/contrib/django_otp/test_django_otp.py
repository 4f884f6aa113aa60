"""django-otp with our device, set up as the docs say and used through its own view."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contrib import project

URLS = """
from django_otp.decorators import otp_required
from django_otp.views import LoginView

urlpatterns += [
    path("login/", LoginView.as_view(template_name="login.html", success_url="/")),
    path("verified/", otp_required(lambda request: HttpResponse("in"), login_url="/login/")),
]
"""


@pytest.mark.first(10)
def test_its_project(tmp_path, redis_server):
    settings = '\nTEMPLATES[0]["DIRS"] = ["templates"]\nLOGIN_REDIRECT_URL = "/"\n'
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "login.html").write_text("{{ form }}")
    folder = Path(__file__).parent / "project"
    project.run(folder, tmp_path, redis_server.url, "django-otp", settings=settings, urls=URLS)
