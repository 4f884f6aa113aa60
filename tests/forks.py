"""``python tests/forks.py FD``: a process that has read the libraries, and becomes each start in a fork.

Over the socket FD come the words of a command, its environment, its directory, a socket of its own and its
two outputs. The command's number goes back over that socket, and its exit code in the end. Where the other
end is closed before, the command and its process group are killed.

No library is read here that asks for Django's settings, and nothing of ours: a fork reads that by itself, in
an environment of its own, as any process does.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

LIBRARIES = (
    *("amqp", "celery.apps.beat", "celery.apps.worker", "celery.bin.celery", "celery.concurrency.thread"),
    *("celery.fixups.django", "celery.worker.consumer", "cryptography.fernet", "django_redis.cache"),
    *("django.contrib.staticfiles.handlers", "django.core.management.commands.check", "django.db.models"),
    *("django.core.management.commands.shell", "django.middleware.csrf", "django.test", "django.views.debug"),
    *("environ", "granian.cli", "granian.server", "jwt", "kombu.transport.pyamqp", "kombu.transport.redis"),
    *("phonenumbers", "pydantic.networks", "pydantic.types", "requests", "structlog", "twilio.rest"),
    "whitenoise.middleware",
)


def next_start(tells: socket.socket) -> None:
    """Wait for the next start. Only the fork that is to become it returns."""
    keepers: set[int] = set()
    while True:
        told, descriptors, _, _ = socket.recv_fds(tells, 65_536, 3)
        while told and not told.endswith(b"\n"):
            told += tells.recv(65_536)
        # So that what they used counts as what this process used.
        keepers = {pid for pid in keepers if not os.waitpid(pid, os.WNOHANG if told else 0)[0]}
        if not told:
            os._exit(0)
        if pid := os.fork():
            keepers.add(pid)
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        tells.close()
        words, environment, root = json.loads(told)
        os.chdir(root)
        begin(words, environment, *descriptors)
        return


def begin(words: list[str], environment: dict[str, str], asks: int, out: int, err: int) -> None:
    """Fork once more: the start goes on. Whoever forked it waits for its end, or until nobody asks."""
    ended, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    if pid := os.fork():
        os.close(out)
        os.close(err)
        if ended not in select.select([ended, asks], [], [])[0]:
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.write(asks, b"%d" % code)
        os._exit(0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.write(asks, b"%8d" % os.getpid())  # only now does the process group have this number
    os.dup2(out, 1)
    os.dup2(err, 2)
    for descriptor in (ended, wakes, asks, out, err):
        os.close(descriptor)
    become(words, environment)


#: Where modules are found, but for those of a start.
PATH = sys.path[1:]

#: On other systems, libraries may end a process that goes on after a fork. There each start reads all anew.
FORKS = sys.platform == "linux"


def become(words: Sequence[str], environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(words)
    sys.path = [os.getcwd(), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)), *PATH]


def run() -> None:
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif sys.argv[0] == "-c":
        exec(sys.argv.pop(1), {"__name__": "__main__"})  # noqa: S102
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    for library in LIBRARIES if FORKS else ():
        importlib.import_module(library)
    gc.freeze()  # a fork need not look through what it never frees
    next_start(socket.socket(fileno=int(sys.argv[1])))
    if not FORKS:
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606
    run()
