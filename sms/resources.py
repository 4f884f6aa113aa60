"""Limits of the system on descriptors, threads and memory, and the errors when they run out."""

from __future__ import annotations

import errno
import os
import resource
import threading

from celery import current_app
from django.core.exceptions import ImproperlyConfigured

from sms import registry
from sms.webhooks import sender

#: Descriptors of an idle worker: for its files, event loop, broker and libraries.
IDLE = 64

#: The exhausted resource and the fix, by ``errno``.
_RAN_OUT = {
    errno.EMFILE: "no descriptors are left: raise `ulimit -n`",
    errno.ENFILE: "the machine has no descriptors left: raise fs.file-max",
    errno.ENOMEM: "no memory is left",
}


def require_descriptors(concurrency: int) -> None:
    """Raise the soft limit as needed. Raises ``ImproperlyConfigured`` if the hard limit is too low."""
    # Each message may hold a connection to Redis and one to each provider; some publish meanwhile.
    need = IDLE + concurrency * (1 + len(registry.aliases())) + (current_app.conf.broker_pool_limit or 0)
    need += sender.descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= need:
        return
    if hard != resource.RLIM_INFINITY and hard < need:
        raise ImproperlyConfigured(
            f"A worker with WORKER_CONCURRENCY={concurrency} needs {need} descriptors, but may have {hard}. "
            f"Raise the hard limit (`ulimit -n {need}`, systemd's LimitNOFILE=), or lower WORKER_CONCURRENCY."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


def probe() -> None:
    """Raise an error if this process cannot open a file or start a thread."""
    os.close(os.open(os.sep, os.O_RDONLY))
    threading.Thread(target=int, name="probe").start()


def ran_out(error: BaseException | None) -> str:
    """The exhausted resource that caused ``error``, with the fix. "" if there is none."""
    while error is not None:
        if isinstance(error, MemoryError):
            return _RAN_OUT[errno.ENOMEM]
        if isinstance(error, OSError) and error.errno in _RAN_OUT:
            return _RAN_OUT[error.errno]
        if isinstance(error, RuntimeError) and "start new thread" in str(error):
            return (
                "no thread can be started: raise `ulimit -u` or the container's process limit, or lower "
                "WORKER_CONCURRENCY"
            )
        error = error.__cause__ or error.__context__
    return ""
