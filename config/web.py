"""``python -m config.web [options]``: start the web server, granian, with the limits that it needs.

Every start goes through here, so that image, demo, tests and documentation cannot differ. Each option
is one of granian's variables: the environment, or ``.env``, overrides it, and the command line all.
"""

import os
import resource
import sys
from collections.abc import MutableMapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config import stderr
from config.start import plainly

#: A connection that says nothing, begins a request or is kept open is closed after ten seconds, and takes
#: no thread until then. ``HTTP=1``: asked for either version, granian waits for the first bytes without
#: a limit of time. Headers over 16 KiB are refused by Django, and from the buffer's size on by granian.
OPTIONS = {
    "GRANIAN_WORKERS": "2",
    "GRANIAN_BLOCKING_THREADS": "32",  # of Django, see config/rsgi.py; granian's own only hand requests over
    "GRANIAN_HTTP": "1",
    "GRANIAN_WEBSOCKETS": "false",
    "GRANIAN_HTTP1_HEADER_READ_TIMEOUT": "10000",
    "GRANIAN_HTTP1_BUFFER_SIZE": "32768",
}

#: Connections that a process holds at once, where it may open as many files.
CONNECTIONS = 4096

#: What keeps granian from writing lines of its own form: its loggers hand over to those above them.
LOG_CONFIG = Path(__file__).with_name("granian.json")

#: Files that it needs besides: Redis, the broker, the log.
OTHER_FILES = 512


def prepared(environment: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """``environment`` with what is not set in it."""
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
    from granian.cli import cli  # which has something to say only from now on

    words = ["--interface", "rsgi", "--blocking-threads", "1", *sys.argv[1:], "config.rsgi:application"]
    cli(words, auto_envvar_prefix="GRANIAN")


if __name__ in ("__main__", "__mp_main__"):  # the latter: a process of granian's where none can be forked
    stderr.begin()
if __name__ == "__main__":
    main()
