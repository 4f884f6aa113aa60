"""Send traces as OpenTelemetry's own variables say, in every process of Otpost's server (docs/traces.md).

A project that only installs the apps sets up its own tracer provider.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from multiprocessing.util import Finalize
from urllib.parse import urlsplit

#: Module and class of each exporter, by its word in OTEL_TRACES_EXPORTER. They are in the extra otpost[otel].
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
    """Texts about what keeps that exporter from working, each with its fix."""
    exporter = asked_for()
    if not exporter:
        return
    if exporter not in EXPORTERS:
        yield "OTEL_TRACES_EXPORTER must be otlp, console or none."
        return
    if exporter == "otlp":
        for name in PROTOCOLS:
            if _variable(name) not in ("", "http/protobuf"):
                yield f"{name} must be http/protobuf, which collectors accept at port 4318."
        for name in ENDPOINTS:
            value = _variable(name)
            if value and (urlsplit(value).scheme not in ("http", "https") or len(value.split()) > 1):
                yield f"{name} must look like http://collector.example:4318, without spaces."
    try:
        import_module(EXPORTERS[exporter][0])
    except ImportError:
        yield (
            "OTEL_TRACES_EXPORTER or OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, but OpenTelemetry is not "
            "installed. Install the extra, pip install 'otpost[otel]', or set OTEL_TRACES_EXPORTER=none."
        )


def begin() -> None:
    """Send traces as the environment says, unless a tracer provider is already set."""
    exporter = asked_for()
    if not exporter or any(faults()):  # config.checks reports the faults
        return
    from opentelemetry import trace
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    # Seconds. A collector that hangs must not keep a process from ending in time.
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
    module, name = EXPORTERS[exporter]
    named = Resource({"service.name": "otpost"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=Resource.create(named.attributes), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(getattr(import_module(module), name)()))
    trace.set_tracer_provider(provider)
    # Send the rest when the process ends. In granian's processes, only this finalizer runs.
    Finalize(None, provider.shutdown, exitpriority=0)


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()
