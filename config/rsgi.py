"""The application that ``python -m config.web`` serves: Django in threads, with bodies read outside of them.

Under WSGI, a thread blocks while it reads a body, and granian cannot end that read. So a few connections that
each send one byte would hold every thread. Here bodies are read in the event loop, which can time out and
close the connection.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import IO, Any

from django.core.exceptions import RequestDataTooBig

from config.wsgi import LONGEST, Body, BodyLate, longest
from config.wsgi import application as wsgi

Headers = list[tuple[str, str]]

#: Status, headers, and the content or the path of a file.
Answer = tuple[int, Headers, bytes | str]

#: Threads for Django.
THREADS = int(os.environ.get("GRANIAN_BLOCKING_THREADS") or "32")

#: Seconds that a body may take to arrive.
PATIENCE = 10.0

#: How many bodies over LONGEST a process reads or holds at once. Anybody can send one.
LARGE = 4

#: Seconds in which nearly every body is complete. Then Django starts without the body, which it may not need.
USUAL = 0.1

_threads = ThreadPoolExecutor(THREADS, "web")
_large = asyncio.Semaphore(LARGE)


class _Awaited(BaseException):
    """Django reads a body that is not complete yet. Not an ``Exception``, which Django would answer."""


class _File:
    """PEP 3333's file wrapper. granian itself sends the file, however slowly the client reads."""

    def __init__(self, file: IO[bytes], block_size: int = 8192) -> None:
        self.file = file
        self.close = file.close


async def application(scope: Any, protocol: Any) -> None:
    """Answer one request (https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md)."""
    loop = asyncio.get_running_loop()
    length = _length(scope.headers)
    most = LONGEST if length is not None and length <= LONGEST else longest(scope.path)
    body: Future[bytes | None] = Future()
    reading = None
    async with AsyncExitStack() as turn:
        if length is None or 0 < length <= most:
            reading = loop.create_task(_read(protocol, length, most, body, turn))
            await asyncio.wait((reading,), timeout=USUAL)
        else:
            body.set_result(b"")  # Django refuses it by its length
        answered = partial(_answer, scope, length, most, body)
        try:
            while (answer := await loop.run_in_executor(_threads, answered)) is None:
                # So far Django has only seen the headers. It starts again later; no thread waits meanwhile.
                if reading and await reading:
                    protocol.response_empty(400, [])
                    return
        finally:
            if reading:
                reading.cancel()
    status, headers, content = answer
    if isinstance(content, str):
        protocol.response_file(status, headers, content)
    else:
        protocol.response_bytes(status, headers, content)


def _length(headers: Any) -> int | None:
    """The Content-Length; None for a body in chunks."""
    return None if "transfer-encoding" in headers else int(headers.get("content-length") or 0)


async def _read(
    protocol: Any, length: int | None, most: int, body: Future[bytes | None], turn: AsyncExitStack
) -> bool:
    """Set the content of the body in the future ``body``; None if it did not arrive.

    Of a body in chunks, at most one piece too much is read. Returns whether the client has gone, so that
    Django need not answer it. The future never gets an exception, which would keep the request and its
    connection alive.
    """
    content: bytes | None = None
    gone = False
    try:
        async with asyncio.timeout(PATIENCE):
            if most > LONGEST:
                await turn.enter_async_context(_large)
            if length is not None:
                content = await protocol()
            else:
                pieces = bytearray()
                async for piece in protocol:
                    pieces += piece
                    if len(pieces) > most:
                        break
                content = bytes(pieces)
    except TimeoutError:
        pass
    except Exception:  # granian's errors have no common class
        gone = True
    finally:
        body.set_result(content)
    return gone


def _fetch(length: int | None, most: int, body: Future[bytes | None]) -> bytes:
    """The body, if it is complete. Raises ``_Awaited`` before that."""
    if length and length > most:
        raise RequestDataTooBig("The body is too large.")
    if not body.done():
        raise _Awaited
    content = body.result()
    if content is None:
        raise BodyLate("The body did not arrive in time.")
    return content


def _answer(scope: Any, length: int | None, most: int, body: Future[bytes | None]) -> Answer | None:
    """The answer; None if Django needs a body that is not complete yet.

    It keeps no reference to the connection, which closes once nothing refers to it. Otherwise an
    exception could keep it open, because an exception refers to every frame that it came through.
    """
    head: list[Any] = []

    def start_response(status: str, headers: Headers, exc_info: Any = None) -> None:
        head[:] = int(status[:3]), headers

    try:
        given = Body(lambda: _fetch(length, most, body), most)
        # The length of a body in chunks is not known yet. Django reads no further than this.
        response: Any = wsgi(_environ(scope, given, most if length is None else length), start_response)
    except _Awaited:
        return None
    try:
        if not isinstance(response, _File):
            return head[0], head[1], b"".join(response)
        name = getattr(response.file, "name", None)  # a range of a file has none
        return head[0], head[1], name if isinstance(name, str) else response.file.read()
    finally:
        response.close()


def _environ(scope: Any, body: Body, length: int) -> dict[str, Any]:
    """The WSGI environment (PEP 3333), as granian's own WSGI interface makes it."""
    headers = scope.headers
    server, _, port = scope.server.rpartition(":")
    environ = {
        "HTTP_HOST": scope.authority or "",
        **{
            f"HTTP_{name.upper().replace('-', '_')}": (";" if name == "cookie" else ",").join(
                headers.get_all(name)
            )
            for name in headers
        },
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": _File,
    }
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ["CONTENT_LENGTH"] = str(length)
    return environ
