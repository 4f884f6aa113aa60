"""Writing to a console never holds up or breaks the writer."""

import os
import threading
import time
from pathlib import Path

import pytest

from config.demo.console import Console


def test_without_a_terminal_there_are_no_colours(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        Console(file.fileno()).log("web", "\x1b[2mgrey\x1b[0m and plain")
    assert (tmp_path / "log").read_text() == "web    | grey and plain\n"


def test_on_a_terminal_each_name_has_its_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    ours, theirs = os.openpty()
    console = Console(theirs)
    for name in ("web", "worker", "web"):
        console.log(name, "\x1b[2mgrey\x1b[0m")
    shown = b""
    while shown.count(b"\n") < 3:
        shown += os.read(ours, 4096)
    os.close(theirs)
    os.close(ours)
    lines = shown.decode().splitlines()
    assert lines[0] == "\x1b[36mweb    |\x1b[0m \x1b[2mgrey\x1b[0m"
    assert lines[1].startswith("\x1b[35mworker |")
    assert lines[2] == lines[0]


def test_a_reader_that_does_not_read_loses_lines_and_holds_up_nobody() -> None:
    """The pipe holds some of what is written; a program that waits for more room would hang."""
    reader, writer = os.pipe()
    console = Console(writer)
    started = time.monotonic()
    for _ in range(2000):
        console.write("x" * 1000)
    assert time.monotonic() - started < 5
    while len(os.read(reader, 65536)) == 65536:
        pass
    console.write("it reads again")
    assert os.read(reader, 65536).endswith(b"it reads again\n")

    # And for a reader that is merely slow, the console waits again.
    received = bytearray()

    def read_slowly() -> None:
        while len(received) < 200_000:
            time.sleep(0.01)
            received.extend(os.read(reader, 4096))

    slow = threading.Thread(target=read_slowly, daemon=True)
    slow.start()
    for _ in range(200):
        console.write("x" * 999)
    slow.join(10)
    assert len(received) == 200_000
    os.close(reader)
    os.close(writer)


def test_a_reader_that_has_gone_is_ignored() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    Console(writer).write("nobody reads this")
    os.close(writer)
