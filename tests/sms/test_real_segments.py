"""Segments as Twilio counts them: its calculator out of npm is asked about hundreds of texts."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from sms import segments

SCRIPT = """
const {SegmentedMessage} = require('sms-segments-calculator');
const texts = JSON.parse(require('fs').readFileSync(0));
console.log(JSON.stringify(texts.map((text) => new SegmentedMessage(text).segmentsCount)));
"""

GSM = "".join(sorted(segments.GSM_7))
WIDE = "".join(char for char in GSM if segments.count(char * 81) == 2)
#: Of Unicode. No accents of their own, no flags: the calculator keeps a letter and its accent in one part,
#: which no specification asks for, and then counts a part more where a boundary would divide them.
OTHERS = "жЖשع中あกçÁ’–\u00a0😀🎁𝄞"


def has_calculator() -> bool:
    if not (node := shutil.which("node")):
        return False
    asked = [node, "-e", "require('sms-segments-calculator')"]
    return not subprocess.run(asked, capture_output=True, check=False).returncode


pytestmark = pytest.mark.skipif(
    not has_calculator(), reason="needs node, and npm's sms-segments-calculator@1.3.0 where NODE_PATH says"
)


def texts() -> Iterator[str]:
    drawn = random.Random(13)
    yield from ("", *GSM, *OTHERS)
    for char in (*GSM, *OTHERS):
        yield from (char * count for count in (67, 70, 71, 80, 81, 153, 160, 161))
    for alphabet in ("aé€", GSM, "ж😀", GSM + OTHERS, "a" + WIDE):
        for _ in range(100):
            yield "".join(drawn.choices(alphabet, k=drawn.randrange(500)))
    for char, wide, edges in (("a", "€", (148, 162)), ("ж", "😀", (60, 72))):  # about the end of a part
        for begin in range(*edges):
            yield from (char * begin + wide * count + char * edges[0] for count in range(7))


def test_a_text_has_as_many_segments_as_twilio_counts():
    asked = list(texts())
    done = subprocess.run(
        ["node", "-e", SCRIPT], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    told = zip(asked, json.loads(done.stdout), strict=True)
    assert [(text, count) for text, count in told if segments.count(text) != count] == []
