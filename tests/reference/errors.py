"""``errors.md``: every code of otp/api/described.py, with its cause and its fix."""

from __future__ import annotations

from collections.abc import Iterator

from otp.api.described import PROBLEMS
from otp.api.errors import words
from tests.reference.api import operations
from tests.reference.words import anchor, code, joined, paragraph, prose, same, sentence, table

INTRO = """
Every error under `/v1` is `application/problem+json` (RFC 9457). `code` is stable, so branch on it.
`type` links to the same text on your installation, such as `/v1/errors#pending`. `detail` is
for people and may change. Most errors name the `field` to change. 429 and 503 carry `Retry-After`, and
`retry_after` is the same in the body.

Under `/v2` errors have [Twilio's form](../twilio-verify.md#errors).
"""


#: By an error that they all answer: sets of operations that are too long to list.
_MANY = {
    (500, "internal"): "every operation",
    (401, "unauthorized"): "every operation that takes a key",
    (400, "malformed_json"): "every operation that takes a body",
}


def page() -> str:
    told = words()
    same("errors", told, [f"{status} {name}" for status, name in PROBLEMS])
    statuses: dict[int, list[str]] = {}
    for status, name in PROBLEMS:
        statuses.setdefault(status, []).append(f"[{code(name)}](#{name})")
    index = [(str(status), ", ".join(names)) for status, names in statuses.items()]
    names = dict.fromkeys(name for _, name in PROBLEMS)
    blocks = [joined(f"## {code(name)}", *_statuses(name)).rstrip() for name in names]
    return joined("# Errors", prose(INTRO), table(("status", "codes"), index), *blocks)


def _statuses(name: str) -> Iterator[str]:
    told = words()
    for (status, code_), known in PROBLEMS.items():
        if code_ != name:
            continue
        own = told[f"{status} {name}"]
        yield paragraph(f"**{status}**: {own['because']} {own['fix']}")
        members = [("`detail`, such as", f"“{sentence(known.detail)}”")]
        if known.field:
            members.append(("`field`, such as" if known.field == "phone" else "`field`", code(known.field)))
        if known.limit:
            members.append(("`limit`, such as" if name == "rate_limited" else "`limit`", code(known.limit)))
        besides = "; with a wrong `Host`, any address" if name == "bad_request" else ""
        members.append(("answered by", _operations(known.operations) + besides))
        yield "\n".join(f"- {word}: {value}" for word, value in members)


def _operations(ids: object) -> str:
    assert isinstance(ids, set | tuple)
    if not ids:
        return "any address"
    for (status, name), words_ in _MANY.items():
        if set(ids) == set(PROBLEMS[status, name].operations):
            return words_
    return ", ".join(
        f"[{code(one.address)}](http-api.md#{anchor(one.title)})" for one in operations() if one.id in ids
    )
