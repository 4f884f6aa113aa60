"""A browser at the dashboard, as Django's client plays one."""

from __future__ import annotations

from typing import Any

from django.test import Client

from tests.settings import API_KEY

START, LOGIN, LOGOUT = "/dashboard/", "/dashboard/login", "/dashboard/logout"


def logged_in(key: str = API_KEY) -> Client:
    client = Client()
    assert log_in(client, key).status_code == 303
    return client


def log_in(client: Client, key: str, **more: Any) -> Any:
    return client.post(LOGIN, {"key": key} | more)
