"""Structured logs: one JSON object a line in production, readable lines in development."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog
from structlog.typing import EventDict, WrappedLogger

#: E.164, and as it stands in an address; there also any other spelling that was looked for.
_NUMBER = re.compile(
    r"(?:\+|%2[Bb])[1-9]\d{6,14}|(?<=[?&]to=)[^&\s\"'\\]+|(?<=[?&]ChannelData\.To=)[^&\s\"'\\]+"
    r"|(?<=/Verifications/)(?!VE[0-9A-Fa-f]{32}\b)[^?\s\"'\\]+"
)

_json = json.JSONEncoder(default=repr).encode
_EMPTY = logging.makeLogRecord({}).__dict__
_LEVELS = logging.getLevelNamesMapping()

#: One of these stands in every line that may hold one.
_MARKS = ("+", "%2", "to=", "To=", "/Verifications/")


def mask_numbers(_: WrappedLogger, __: str, line: str) -> str:
    """Show no phone number, wherever in a line it stands: a library's error text may quote one."""
    return _NUMBER.sub("+•••", line) if any(mark in line for mark in _MARKS) else line


def line(text: str, level: str) -> str:
    """A line of what comes from no logger."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    facts = {"event": text, "level": level, "logger": "stderr", "timestamp": now}
    return mask_numbers(None, "", _json(facts))


class Lines(structlog.stdlib.ProcessorFormatter):
    """Writes our own lines as JSON at once: they are whole, and theirs copies the record of each first."""

    def format(self, record: logging.LogRecord) -> str:
        event: Any = record.msg
        if not hasattr(record, "_logger") or "exc_info" in event:
            return super().format(record)
        return mask_numbers(None, "", _json(event))


def hand_over(logger: logging.Logger, name: str, event: EventDict) -> NoReturn:
    """Hand over a line of ours in a copy of an empty record: a new one looks up file, thread and process."""
    record = logging.LogRecord.__new__(logging.LogRecord)
    level = event["level"].upper()
    ours = {"name": logger.name, "msg": event, "levelname": level, "levelno": _LEVELS[level]}
    record.__dict__.update(_EMPTY, **ours, created=time.time(), _logger=logger, _name=name)
    logger.handle(record)
    raise structlog.DropEvent


def as_warning(record: logging.LogRecord) -> bool:
    """Make a warning of what Django calls an error and is none of ours: a 503 because Redis or a worker is
    away, which is logged where it is noticed, and a Host that is not ours, which any scanner sends.
    """
    if record.name.startswith("django.security.") or getattr(record, "status_code", 0) == 503:
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = None
    return logging.getLogger().isEnabledFor(record.levelno)


def name_path(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Say for which address Django logs something."""
    if path := getattr(getattr(event["_record"], "request", None), "path", ""):
        event["path"] = path
    return event


def logging_config(*, json: bool, level: str) -> dict[str, Any]:
    """Configure structlog, and return the ``LOGGING`` that sends everything through it."""
    theirs = structlog.stdlib.ProcessorFormatter
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, hand_over],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    render: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    stream = "ext://sys.__stderr__"  # in the other one's place stands config.stderr
    if not json:
        stream = "ext://sys.stderr"
        # plain_traceback: the pretty ones print local variables, and those hold codes.
        plain = structlog.dev.plain_traceback
        render = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": Lines if json else theirs,
                "foreign_pre_chain": [*shared, name_path],
                "processors": [theirs.remove_processors_meta, *render, mask_numbers],
            }
        },
        "filters": {"as_warning": {"()": lambda: as_warning}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "stream": stream, "formatter": "structured"}
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # A line per task would say what our own lines say better.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            # Refused requests are the callers' affair, and answered with what is wrong.
            "django.request": {"level": "ERROR", "filters": ["as_warning"]},
            "django.security.DisallowedHost": {"filters": ["as_warning"]},
            "django.security.RequestDataTooBig": {"level": "CRITICAL"},
            "django.security.TooManyFieldsSent": {"level": "CRITICAL"},
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
        },
    }
