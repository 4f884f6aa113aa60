"""Refusals of a code as errors for the caller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from django.http import HttpResponse

from otp import alarms, steps
from otp.admission.rules import GUESS, Rule
from otp.caller import Caller
from otp.challenges import altcha
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.results import MESSAGES, Issue
from sms.errors import InvalidAddress, InvalidNumber, InvalidReference, NoRoute, Unavailable

log = structlog.get_logger("otp")


#: The challenge that ``OTP_CHALLENGE`` sets for a caller.
CHALLENGE = "Solve the site's challenge, and send the answer as the field challenge."


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of ``sms`` into errors of a verification."""
    try:
        yield
    except InvalidNumber as error:
        raise NotAllowed(error.detail, code=error.code, field="phone") from None
    except NoRoute as error:
        raise NotAllowed(str(error), code="no_route", field="phone") from None
    except InvalidAddress as error:
        raise NotAllowed(str(error), code="email_invalid", field="email") from None
    except InvalidReference as error:
        raise NotAllowed(str(error), code="reference_invalid", field="reference") from None
    except Unavailable as error:
        raise steps.unavailable(error) from error


def raise_unless_issued(issue: Issue, caller: Caller) -> None:
    """Raise why no code was issued, if so. Call ``decision.apply`` first: it raises for the guard."""
    if issue.status == "issued":
        return
    wait = max(issue.retry_after, 1)
    if issue.status == "overloaded":
        log.warning("overloaded", seconds=wait)
        raise StoreUnavailable(retry_after=wait, code="overloaded")
    if issue.status == "challenge":
        raise challenge_required(altcha.make())
    if issue.limit:
        raise reached(issue.limit, wait, caller)
    if issue.status == "blocked":
        raise RateLimited(
            issue.message, retry_after=wait, code="blocked", limit="guesses", quota=steps.MOST_FAILURES
        )
    raise RateLimited(issue.message, retry_after=wait, code=issue.status)


def challenge_required(puzzle: Mapping[str, Any] | None = None) -> NotAllowed:
    """The error for a challenge without the right answer. ``puzzle``: the one to solve, if it is a puzzle."""
    return NotAllowed(CHALLENGE, code="challenge_required", field="challenge", puzzle=puzzle)


def reached(rule: Rule, wait: int, caller: Caller) -> RateLimited:
    """The error for a limit that is reached. ``wait``: seconds until there is room again."""
    if rule.alarming:
        by_ip = caller.ip if "ip" in rule.subjects else ""
        alarms.note(alarms.LIMIT, ip=by_ip, limit=rule.name, name=caller.name)
    guesses = rule.name.startswith(GUESS)
    return RateLimited(
        MESSAGES["guesses"] if guesses else "Too many SMS were asked for. Please try again later.",
        retry_after=max(wait, 1),
        code="rate_limited",
        limit=rule.name,
        quota=rule.most,
        window=rule.seconds,
    )


def name_limit(response: HttpResponse, error: RateLimited) -> None:
    """Add the limit's headers to a 429, besides ``Retry-After`` (draft-ietf-httpapi-ratelimit-headers)."""
    window = f";w={error.window}" if error.window else ""
    response["RateLimit-Policy"] = f'"{error.limit}";q={error.quota}{window}'
    response["RateLimit"] = f'"{error.limit}";r=0;t={error.retry_after}'


def over(status: str) -> NotAllowed:
    """The error for a code that cannot be sent again, because none is live."""
    why = "There is no live code to send again." if status == "expired" else "Too many wrong guesses."
    return NotAllowed(f"{why} Start a new verification.", code=status, field="id")
