"""``signals.md``: the signals of ``otp.signals`` and ``sms.signals``, with what is said of them there."""

from __future__ import annotations

import re
from types import ModuleType

import otp.signals
import sms.signals
from tests.reference.words import code, joined, prose, sentence, table
from tests.starts import ROOT

INTRO = """
Connect receivers as with any Django signal: `otp.signals.code_accepted.connect(receiver)`. Each section
says what happens if a receiver raises.
"""

_MADE = re.compile(r"((?:^#: .*\n)*)^(\w+) = (?:Signal|Quiet)\(\)(?:  # (.*))?$", re.MULTILINE)


def page() -> str:
    return joined("# Signals", prose(INTRO), *_module(otp.signals), *_module(sms.signals))


def _module(module: ModuleType) -> list[str]:
    text = (ROOT / module.__name__.replace(".", "/")).with_suffix(".py").read_text()
    rows = [(code(made[2]), sentence(_words(made[1] or made[3] or ""))) for made in _MADE.finditer(text)]
    return [f"## {code(module.__name__)}", prose(module.__doc__ or ""), table(("signal", "fires"), rows)]


def _words(comment: str) -> str:
    return " ".join(comment.replace("#: ", "").split()).replace("``", "`")
