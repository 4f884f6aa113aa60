"""Spans in memory, and what tests ask of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sms import traces

#: Sent along by a caller's own tracing: sampled, and not.
TRACE_ID, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = (f"00-{TRACE_ID}-{CALLER}-{flags}" for flags in ("01", "00"))


class Spans:
    """Those that have ended, the first first."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self.exporter = exporter

    def all(self) -> list[ReadableSpan]:
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, start: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name.startswith(start)]

    def one(self, start: str) -> ReadableSpan:
        (found,) = self.named(start)
        return found

    def trace_ids(self) -> set[str]:
        return {f"{span.context.trace_id:032x}" for span in self.all()}

    def text(self) -> str:
        """Everything that leaves with them, but for times and ids, which look like codes here and there."""
        told = "\n".join(span.to_json() for span in self.all())
        return re.sub(r'"[\w.]*(time|timestamp|_id|\.id)": "[^"]*"', "", told)


def parent_of(span: ReadableSpan) -> int:
    return span.parent.span_id if span.parent else 0


@contextmanager
def traced() -> Iterator[Spans]:
    """In this block the process has a tracer provider, as a project sets one up."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "tests"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "_TRACER_PROVIDER", provider)  # the API lets nobody take one back
        traces.tracer.cache_clear()
        yield Spans(exporter)
    traces.tracer.cache_clear()
