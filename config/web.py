"""``python -m config.web [options]``: start the web server granian with safe limits.

Image, demo, tests and documentation all start it this way, so they cannot differ. Each option is a variable
of granian's. The environment or ``.env`` overrides it, and the command line overrides everything.
"""

import os
import resource
import sys
from collections.abc import MutableMapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config import stderr
from config.start import plainly

#: A connection that sends nothing, sends slowly or is kept alive is closed after ten seconds, and uses no
#: thread before that. ``HTTP=1``, because with both versions enabled granian waits for the first bytes
#: without a timeout. Django refuses headers over 16 KiB, and granian those over its buffer size.
OPTIONS = {
    "GRANIAN_WORKERS": "2",
    "GRANIAN_BLOCKING_THREADS": "32",  # for Django, see config/rsgi.py; granian's own only pass requests on
    "GRANIAN_HTTP": "1",
    "GRANIAN_WEBSOCKETS": "false",
    "GRANIAN_HTTP1_HEADER_READ_TIMEOUT": "10000",
    "GRANIAN_HTTP1_BUFFER_SIZE": "32768",
}

#: Connections that a process holds at once, if it may open that many files.
CONNECTIONS = 4096

#: Makes granian's loggers propagate to ours, so that it writes no lines in its own format.
LOG_CONFIG = Path(__file__).with_name("granian.json")

#: Further files that a process needs, for Redis, the broker and the log.
OTHER_FILES = 512


def prepared(environment: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """``environment``, with defaults for the options that it does not set."""
    files = allow_files(CONNECTIONS + OTHER_FILES)
    connections = str(max(files - OTHER_FILES, files // 2))
    for name, value in (OPTIONS | {"GRANIAN_BACKPRESSURE": connections}).items():
        environment[name] = environment.get(name) or value
    for name in ("GRANIAN_WORKERS", "GRANIAN_BLOCKING_THREADS"):
        if not environment[name].isdecimal() or not int(environment[name]):
            raise ImproperlyConfigured(f"{name} must be a whole number, 1 or more, such as {OPTIONS[name]}.")
    return environment


def allow_files(wanted: int) -> int:
    """Let this process and its children open ``wanted`` files, or as many as they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def main() -> None:
    with plainly():
        prepared(os.environ)
    if stderr.has_begun():
        os.environ["GRANIAN_LOG_CONFIG"] = os.environ.get("GRANIAN_LOG_CONFIG") or str(LOG_CONFIG)
    from granian.cli import cli  # only now, when its warnings become log lines

    words = ["--interface", "rsgi", "--blocking-threads", "1", *sys.argv[1:], "config.rsgi:application"]
    cli(words, auto_envvar_prefix="GRANIAN")


if __name__ in ("__main__", "__mp_main__"):  # the latter in granian's processes on systems without fork
    stderr.begin()
if __name__ == "__main__":
    main()
