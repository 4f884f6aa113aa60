"""Entries of a queue that are not our tasks: each kind, at each layer that reads it."""

from __future__ import annotations

import base64
import json
from typing import Any

#: Stands in every entry, so that a log which repeats what it was given shows it.
MARK = "sesame"

Json = Any


def entries(queue: str) -> list[bytes]:
    """One of each kind. Those that are no JSON come first, then envelopes, headers and bodies."""
    return [
        *(text if isinstance(text, bytes) else text.encode() for text in _NO_MESSAGE),
        *(json.dumps(envelope).encode() for envelope in _envelopes(queue)),
        b'{"a": ' * 50_000 + b'"sesame"' + b"}" * 50_000,  # deeper than any parser goes
        json.dumps(_task(queue, body=_packed([[MARK * 1_000_000], {}, {}]))).encode(),  # 8 MB
    ]


_NO_MESSAGE: list[str | bytes] = [
    "",
    " ",
    MARK,
    b"\xff\xfe\x00" + MARK.encode(),
    b"\x00" * 100 + MARK.encode(),
    "null",
    "true",
    "17",
    "1e999",
    f'"{MARK}"',
    f'["{MARK}"]',
    "{}",
    f'{{"{MARK}": "{MARK}"}}',
    f'{{"properties": "{MARK}"}}',
    f'{{"properties": {{"delivery_tag": ["{MARK}"]}}}}',
    f'{{"properties": {{"delivery_tag": "a"}}, "body": {{"{MARK}": 1}}}}',
    f'{{"properties": {{"delivery_tag": "b"}}, "body": "{MARK}", "headers": 17}}',
    f'{{"properties": {{"delivery_tag": "c", "body_encoding": "{MARK}"}}, "body": "{MARK}"}}',
    f'{{"properties": {{"delivery_tag": "d", "body_encoding": "base64"}}, "body": "{MARK}!"}}',
    f'{{"properties": {{"delivery_tag": "e", "body_encoding": 17}}, "body": "{MARK}"}}',
]


def _packed(content: Json) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.b64encode(text).decode()


def _task(queue: str, body: Json = None, headers: Json = None, **changes: Json) -> dict[str, Json]:
    """A message as Celery sends it, with these changes."""
    number = next(_numbers)
    known = {"lang": "py", "task": "sms.deliver", "id": f"id-{number}", "root_id": f"id-{number}"}
    return {
        "body": _packed([[MARK], {}, {}]) if body is None else body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": known | headers if isinstance(headers, dict) else known if headers is None else headers,
        "properties": {
            "correlation_id": f"id-{number}",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": f"tag-{number}",
        },
    } | changes


_numbers = iter(range(10**9))


def _envelopes(queue: str) -> list[dict[str, Json]]:
    headers: list[Json] = [
        {},
        MARK,
        [MARK],
        {"task": None},
        {"task": MARK},
        {"task": [MARK]},
        {"task": {MARK: 1}},
        {"id": None},
        {"id": [MARK]},
        {"id": {MARK: 1}},
        {"eta": MARK},
        {"eta": [MARK]},
        {"eta": "9999-12-31T23:59:59"},
        {"expires": MARK},
        {"expires": {MARK: 1}},
        {"expires": "0001-01-01T00:00:00+14:00"},
        {"timelimit": MARK},
        {"timelimit": [MARK, MARK]},
        {"timelimit": [1, 2, 3]},
        {"retries": MARK},
        {"shadow": [MARK]},
        {"compression": MARK},
        {"compression": "application/x-gzip"},
        {"ignore_result": False},
        {"group": MARK, "group_index": MARK},
        {"stamps": MARK, "stamped_headers": MARK},
        {"argsrepr": [MARK], "kwargsrepr": 17},
        {"clock": MARK},
    ]
    bodies: list[Json] = [
        None,
        MARK,
        17,
        [MARK],
        {MARK: 1},
        "A",  # no base64
        _packed(b"\xff\xfe" + MARK.encode()),
        _packed(MARK.encode()),
        _packed(None),
        _packed(17),
        _packed(MARK),
        _packed([]),
        _packed([[]]),
        _packed([[], {}]),
        _packed([[MARK], {}, {}, {}]),
        _packed({MARK: 1}),
        _packed({"args": MARK}),
        _packed({"args": [MARK], "kwargs": MARK}),
        _packed([MARK, MARK, MARK]),
        _packed([17, 17, 17]),
        _packed([[MARK], {}, MARK]),
        _packed([[MARK], {}, {"callbacks": MARK, "errbacks": [MARK], "chord": MARK, "chain": 17}]),
        _packed([[MARK], {MARK: MARK}, {}]),
        _packed([[MARK, MARK], {}, {}]),
        *(_packed([[argument], {}, {}]) for argument in (None, 17, 1.5, [MARK], {MARK: 1}, "\ud800", "")),
        b"[".decode() * 200_000,
        _packed(b"[" * 200_000),
    ]
    sweeps: list[Json] = [
        [[], {}, {}],
        [[MARK], {}, {}],
        [[17, MARK], {}, {}],
        [["otp", MARK], {}, {}],
        [["otp", [MARK]], {}, {}],
        [[MARK, 1], {}, {}],
        [["otp", 1, 2, 3], {}, {}],
        [["otp"], {"limit": MARK}, {}],
    ]
    others: list[Json] = [
        {"content-type": None},
        {"content-type": [MARK]},
        {"content-type": MARK},
        {"content-type": "application/x-python-serialize"},
        {"content-type": "application/x-yaml"},
        {"content-encoding": MARK},
        {"content-encoding": 17},
        {"properties": {"delivery_tag": None, "body_encoding": "base64"}},
        {"properties": {"delivery_tag": "once", "delivery_info": MARK, "body_encoding": "base64"}},
        {"properties": {"delivery_tag": "once", "delivery_info": [1], "body_encoding": "base64"}},
    ]
    return [
        *(_task(queue, headers=header) for header in headers),
        {**_task(queue), "headers": {}},
        {**_task(queue), "headers": {"task": "sms.deliver"}},
        *(_task(queue) | {"body": body} for body in bodies),
        *(_task(queue, body=_packed(body), headers={"task": "sms.sweep"}) for body in sweeps),
        *(_task(queue) | other for other in others),
        *(
            {**_task(queue), "headers": {}, "body": _packed({"task": task, "id": 1, "args": [MARK]})}
            for task in ("sms.deliver", MARK, [MARK], None, {MARK: 1})
        ),
    ]
