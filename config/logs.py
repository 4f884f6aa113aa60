"""Structured logs: one JSON object per line in production, readable lines in development."""

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

#: Phone numbers: E.164, also escaped in URLs, and other spellings in the queries of searches.
_NUMBER = re.compile(
    r"(?:\+|%2[Bb])[1-9]\d{6,14}|(?<=[?&]to=)[^&\s\"'\\]+|(?<=[?&]ChannelData\.To=)[^&\s\"'\\]+"
    r"|(?<=/Verifications/)(?!VE[0-9A-Fa-f]{32}\b)[^?\s\"'\\]+"
)

_json = json.JSONEncoder(default=repr).encode
_EMPTY = logging.makeLogRecord({}).__dict__
_LEVELS = logging.getLevelNamesMapping()

#: Every line that may hold a number has one of these.
_MARKS = ("+", "%2", "to=", "To=", "/Verifications/")


def mask_numbers(_: WrappedLogger, __: str, line: str) -> str:
    """Mask phone numbers anywhere in a line, since the error text of a library may quote one."""
    return _NUMBER.sub("+•••", line) if any(mark in line for mark in _MARKS) else line


def line(text: str, level: str) -> str:
    """A log line for output that no logger wrote."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    facts = {"event": text, "level": level, "logger": "stderr", "timestamp": now}
    return mask_numbers(None, "", _json(facts))


class Lines(structlog.stdlib.ProcessorFormatter):
    """Writes our own lines as JSON directly, because structlog's formatter copies each record first."""

    def format(self, record: logging.LogRecord) -> str:
        event: Any = record.msg
        if not hasattr(record, "_logger") or "exc_info" in event:
            return super().format(record)
        return mask_numbers(None, "", _json(event))


def hand_over(logger: logging.Logger, name: str, event: EventDict) -> NoReturn:
    """Hand over our own line in a copy of an empty record.

    A new one would look up file, thread and process.
    """
    record = logging.LogRecord.__new__(logging.LogRecord)
    level = event["level"].upper()
    ours = {"name": logger.name, "msg": event, "levelname": level, "levelno": _LEVELS[level]}
    record.__dict__.update(_EMPTY, **ours, created=time.time(), _logger=logger, _name=name)
    logger.handle(record)
    raise structlog.DropEvent


def as_warning(record: logging.LogRecord) -> bool:
    """Turn Django's errors that are not our fault into warnings.

    A 503 means that Redis or a worker is away, which is logged elsewhere. A foreign Host header is what any
    scanner sends.
    """
    if record.name.startswith("django.security.") or getattr(record, "status_code", 0) == 503:
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = None
    return logging.getLogger().isEnabledFor(record.levelno)


def name_path(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the path of the request to Django's lines."""
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
    stream = "ext://sys.__stderr__"  # config.stderr replaces sys.stderr
    if not json:
        stream = "ext://sys.stderr"
        # plain_traceback, because the pretty ones print local variables, which hold codes.
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
            # One line per task would only repeat our own lines.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            # Refused requests are the callers' business. Their answers say what is wrong.
            "django.request": {"level": "ERROR", "filters": ["as_warning"]},
            "django.security.DisallowedHost": {"filters": ["as_warning"]},
            "django.security.RequestDataTooBig": {"level": "CRITICAL"},
            "django.security.TooManyFieldsSent": {"level": "CRITICAL"},
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
        },
    }
