"""The cost of tracing a message: with no tracing, and with a trace of every request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.test import override_settings
from django_redis import get_redis_connection
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sms import traces

from .report import Measure
from .surroundings import Surroundings
from .tallying import spend


def cost(bench: Surroundings) -> Iterator[Measure]:
    """CPU of this process and of Redis for a start, and for an SMS that a worker hands over."""
    many = 100 if bench.quick else 300
    exporter = InMemorySpanExporter()
    trace.set_tracer_provider(provider := TracerProvider())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    with override_settings(OTP_LIMITS="off"), bench.provider.answering_after(0):
        for number in (turns := bench.rounds(15)):
            bench.say(f"tracing, round {number + 1} of {len(turns)}")
            for traced in sorted(found, reverse=bool(number % 2)):
                with _tracing(traced):
                    get_redis_connection().flushall()
                    spend(20)  # loads the scripts
                    found[traced].append(spend(many))
            exporter.clear()
    for place, name in enumerate(("a start", "an SMS")):
        ours, baseline = ([both[place] for both in found[traced]] for traced in (True, False))
        yield Measure(f"tracing all: CPU of {name}", "µs", ours, baseline)


@contextmanager
def _tracing(traced: bool) -> Iterator[None]:
    """In this block the process traces, or has decided that it does not."""
    with pytest.MonkeyPatch.context() as patch:
        if not traced:
            patch.setattr(trace, "_TRACER_PROVIDER", None)
        traces.tracer.cache_clear()
        traces.tracer()
        yield
