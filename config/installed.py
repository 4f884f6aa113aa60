"""End a process of Otpost's own server if a package of the extra ``otpost[server]`` is missing."""

from importlib.util import find_spec

#: Packages by the names that are imported.
SERVER = {"environ": "django-environ", "granian": "granian", "whitenoise": "whitenoise"}

_missing = [package for name, package in SERVER.items() if find_spec(name) is None]
if _missing:
    raise SystemExit(
        f"Otpost's own server needs {', '.join(_missing)}. Install everything that it needs: "
        "pip install --require-hashes -r requirements.txt."
    )
