"""Ends a process of this service that lacks a package of the extra ``otpost[server]``."""

from importlib.util import find_spec

#: By the name that is imported, the package.
SERVER = {"environ": "django-environ", "granian": "granian", "whitenoise": "whitenoise"}

_missing = [package for name, package in SERVER.items() if find_spec(name) is None]
if _missing:
    raise SystemExit(
        f"Otpost's own server needs {', '.join(_missing)}. Install all that it needs: "
        "pip install --require-hashes -r requirements.txt."
    )
