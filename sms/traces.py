"""Traces, by OpenTelemetry: one leads from a request through the queue to the call and its receipt.

A project's tracer provider decides where they go, or ``config.traces``. If there is none when the first span
begins, or no opentelemetry-api, this process is not traced. Each call here then costs one check.

No span holds a number, a code, a text, a key or a URL. It has only the host of a provider's URL, the route of
a request, the class of an exception, and a vendor's word if it looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    TemporaryFailure,
    Unreachable,
)
from sms.message import Message, State

try:
    from opentelemetry import context, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:  # the extra otpost[otel] is not installed
    _is_installed = False
else:
    _is_installed = True
    _W3C = TraceContextTextMapPropagator()

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from sms.providers.base import Provider

P = ParamSpec("P")
R = TypeVar("R")

_NOTHING = nullcontext()

_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)

#: The outcome of a call, in the words of ``sms.tally``. The first match counts.
_OUTCOMES = {
    TemporaryFailure: "temporary",
    Unreachable: "unreachable",
    AccountFailure: "account",
    PermanentFailure: "refused",
    OutcomeUnknown: "unknown",
}

#: States in which the span of a delivery is an error.
_BAD = (State.FAILED, State.EXPIRED, State.UNKNOWN)

#: A vendor's word, not free text. One with MANY digits could be a number.
_WORD = re.compile(r"[A-Za-z0-9_.:/-]{1,64}", re.ASCII)
MANY = 7


@cache
def tracer() -> Tracer | None:
    """The tracer that makes spans; None if nothing is traced. Decided once."""
    if not _is_installed:
        return None
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):  # nobody has set one
        return None
    found = provider.get_tracer("otpost")
    return None if isinstance(found, trace.NoOpTracer) else found


def request(method: str, traceparent: str) -> AbstractContextManager[None]:
    """The span of one HTTP request, which continues the caller's trace; see ``answered``."""
    if tracer() is None:
        return _NOTHING
    return _span(_method(method, "HTTP"), "SERVER", {}, parent=traceparent)


def answered(method: str, route: str, status: int) -> None:
    """Note how the request of this span was answered. ``route``: as Django writes it, "" for none."""
    if tracer() is None:
        return
    span = trace.get_current_span()
    span.set_attribute("http.request.method", _method(method, "_OTHER"))
    span.set_attribute("http.response.status_code", status)
    if route:
        span.update_name(f"{_method(method, 'HTTP')} /{route}")
        span.set_attribute("http.route", f"/{route}")
    if status >= 500:
        _fail(span, str(status))


def begun(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function begin a trace if its caller has none."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def traced(*args: P.args, **kwargs: P.kwargs) -> R:
            if tracer() is None or trace.get_current_span().get_span_context().is_valid:
                return function(*args, **kwargs)
            with _span(name, "INTERNAL", {}):
                return function(*args, **kwargs)

        return traced

    return decorate


def here() -> str:
    """The traceparent that a message keeps; "" if nothing is traced."""
    if tracer() is None:
        return ""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent", "")


def script(name: str) -> AbstractContextManager[None]:
    """The span of a script in Redis, as a part of another one."""
    if tracer() is None or not trace.get_current_span().is_recording():
        return _NOTHING
    known = {"db.system.name": "redis", "db.operation.name": "EVALSHA", "db.stored_procedure.name": name}
    return _span(f"EVALSHA {name}", "CLIENT", known)


def deliver(message: Message) -> AbstractContextManager[None]:
    """The span of a worker's run for one message, in that message's own trace; see ``recorded``."""
    if tracer() is None:
        return _NOTHING
    return _span(f"deliver {message.queue}", "CONSUMER", _of(message, "deliver"), parent=message.trace)


def follow_up(kind: str, message: Message) -> AbstractContextManager[None]:
    """The span of a follow-up call; see ``sms.delivery.follow_up``."""
    if tracer() is None:
        return _NOTHING
    return _span(f"follow_up {kind}", "CONSUMER", _of(message, kind), parent=message.trace)


def call(what: str, provider: Provider, message: Message, attempt: int) -> AbstractContextManager[None]:
    """The span of one call of a provider. ``what``: send, or a kind of follow-up."""
    if tracer() is None:
        return _NOTHING
    return _call(what, provider, message, attempt)


def receipt(message: Message, alias: str, state: State, word: str, began: int) -> None:
    """The span of a receipt, in the trace of its message. ``began``: when its recording began, in ns."""
    if tracer() is None:
        return
    told = {"otpost.alias": alias, "otpost.reported": state.value}
    with _span(
        f"receipt {alias}", "CONSUMER", _of(message, "receipt") | told, parent=message.trace, began=began
    ):
        if state is State.FAILED:
            _fail(trace.get_current_span(), _as_word(word) or state.value)


def recorded(message: Message, seconds: float = 0.0) -> None:
    """Record the outcome of this span's run. ``seconds``: until the message is tried again."""
    if tracer() is None:
        return
    span = trace.get_current_span()
    span.set_attribute("otpost.state", message.state.value)
    if message.state in _BAD:
        _fail(span, _as_word(message.error) or message.state.value)
    elif message.state is State.QUEUED:
        event("wait", seconds=seconds)


def event(name: str, *, alias: str = "", word: str = "", seconds: float | None = None) -> None:
    """Note something that happened in this span."""
    if tracer() is None:
        return
    known = {"otpost.alias": alias, "error.type": _as_word(word), "otpost.seconds": seconds}
    attributes = {key: value for key, value in known.items() if value not in ("", None)}
    trace.get_current_span().add_event(name, attributes)


def _method(method: str, other: str) -> str:
    return method if method in _METHODS else other


def _of(message: Message, operation: str) -> dict[str, str]:
    return {
        "messaging.system": "celery",
        "messaging.operation.name": operation,
        "messaging.operation.type": "process",
        "messaging.destination.name": message.queue,
        "messaging.message.id": message.id,
        "otpost.country": message.country,
    }


@contextmanager
def _call(what: str, provider: Provider, message: Message, attempt: int) -> Iterator[None]:
    known = {
        "otpost.alias": provider.alias,
        "otpost.provider": provider.scheme,
        "otpost.attempt": attempt,
        "otpost.queue": message.queue,
        "otpost.country": message.country,
    }
    if provider.host:
        known["server.address"] = provider.host
    with _span(f"{what} {provider.alias}", "CLIENT", known):
        span = trace.get_current_span()
        try:
            yield
        except ProviderError as error:
            outcome = next((name for kind, name in _OUTCOMES.items() if isinstance(error, kind)), "unknown")
            span.set_attribute("otpost.outcome", outcome)
            raise
        span.set_attribute("otpost.outcome", "accepted" if what == "send" else "answered")


@contextmanager
def _span(
    name: str, kind: str, attributes: Mapping[str, Any], *, parent: str = "", began: int | None = None
) -> Iterator[None]:
    """A span that is the current one in this block. ``parent``: a traceparent. If it can be read, the span
    that was current before is only linked. If not, that span is the parent.
    """
    found, now = tracer(), trace.get_current_span().get_span_context()
    assert found  # noqa: S101  # whoever calls this has looked
    where, links = None, []
    if parent:
        read = _W3C.extract({"traceparent": parent}, context.Context())
        theirs = trace.get_current_span(read).get_span_context()
        if theirs.is_valid:
            where = read
            links = [trace.Link(now)] if now.is_valid and now.trace_id != theirs.trace_id else []
    span = found.start_span(name, where, trace.SpanKind[kind], attributes, links, began)
    token = context.attach(trace.set_span_in_context(span))
    try:
        yield
    except Exception as error:
        word = _as_word(error.code) if isinstance(error, ProviderError) else ""
        _fail(span, word or type(error).__name__)
        span.end()
        raise
    else:
        span.end()
    finally:  # another BaseException ends no span: config.rsgi raises one to begin anew
        context.detach(token)


def _fail(span: Span, word: str) -> None:
    span.set_attribute("error.type", word)
    span.set_status(trace.StatusCode.ERROR)


def _as_word(word: str) -> str:
    """A vendor's word or ours if it is one, "" if it might be something else."""
    return word if _WORD.fullmatch(word) and sum(map(str.isdigit, word)) < MANY else ""
