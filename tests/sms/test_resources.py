"""How the end of what the system lets a process have is told from other errors."""

from __future__ import annotations

import errno

import pytest

from sms import resources


def behind(error: BaseException) -> Exception:
    """The exception that a library raises while it handles ``error``."""
    try:
        try:
            raise error
        except BaseException as caught:
            raise ConnectionError("cannot connect") from caught
    except ConnectionError as found:
        return found


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "raise `ulimit -n`"),
        (OSError(errno.ENFILE, "Too many open files in system"), "fs.file-max"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "no memory"),
        (MemoryError(), "no memory"),
        (RuntimeError("can't start new thread"), "no thread can be started"),
    ],
)
def test_it_is_found_behind_other_errors(error, words):
    assert words in resources.ran_out(error)
    assert words in resources.ran_out(behind(error))
    assert words in resources.ran_out(behind(behind(error)))


@pytest.mark.parametrize(
    "error", [None, OSError(errno.ECONNREFUSED, "refused"), RuntimeError("other"), KeyError()]
)
def test_another_error_is_none(error):
    assert resources.ran_out(error) == ""
    assert resources.ran_out(behind(error or ValueError())) == ""
