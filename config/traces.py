"""Where traces go, in every process of this service, by OpenTelemetry's own variables (docs/operations.md).

A project that takes the apps alone sets up a tracer provider itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from multiprocessing.util import Finalize
from urllib.parse import urlsplit

#: By the word in OTEL_TRACES_EXPORTER: the module, of a package of the extra otpost[otel], and its class.
EXPORTERS = {
    "otlp": ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "OTLPSpanExporter"),
    "console": ("opentelemetry.sdk.trace.export", "ConsoleSpanExporter"),
}

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def asked_for() -> str:
    """The exporter that the environment asks for, "" for none."""
    if _variable("OTEL_SDK_DISABLED").lower() == "true":
        return ""
    word = _variable("OTEL_TRACES_EXPORTER") or ("otlp" if any(map(_variable, ENDPOINTS)) else "none")
    return "" if word == "none" else word


def faults() -> Iterator[str]:
    """What keeps the exporter that is asked for from working, and the mend."""
    exporter = asked_for()
    if not exporter:
        return
    if exporter not in EXPORTERS:
        yield "OTEL_TRACES_EXPORTER must be otlp, console or none."
        return
    if exporter == "otlp":
        for name in PROTOCOLS:
            if _variable(name) not in ("", "http/protobuf"):
                yield f"{name} must be http/protobuf; collectors take it at port 4318."
        for name in ENDPOINTS:
            value = _variable(name)
            if value and (urlsplit(value).scheme not in ("http", "https") or len(value.split()) > 1):
                yield f"{name} must look like http://collector.example:4318, and hold no blank."
    try:
        import_module(EXPORTERS[exporter][0])
    except ImportError:
        yield (
            "OTEL_TRACES_EXPORTER or OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, and OpenTelemetry is not "
            "installed. Install the extra, pip install 'otpost[otel]', or set OTEL_TRACES_EXPORTER=none."
        )


def begin() -> None:
    """Send traces where the environment says, unless a tracer provider is set already."""
    exporter = asked_for()
    if not exporter or any(faults()):  # which config.checks tells of
        return
    from opentelemetry import trace
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    # Seconds: a collector that hangs must not keep a process from ending in time.
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
    module, name = EXPORTERS[exporter]
    named = Resource({"service.name": "otpost"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=Resource.create(named.attributes), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(getattr(import_module(module), name)()))
    trace.set_tracer_provider(provider)
    # What is not sent yet as the process ends goes out then. Those of granian know no other end than this.
    Finalize(None, provider.shutdown, exitpriority=0)


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()
