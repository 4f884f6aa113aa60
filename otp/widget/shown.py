"""The views of the widget as JSON: all texts, fields and buttons, in the language of the answer.

The widget knows these members of a view:
    state                 number, pending, blocked, expired, valid, or closed (the end)
    lang, dir             language and direction of the texts
    title, lead, error    paragraphs; an empty one is not shown
    field                 name, type, mode (inputmode), complete (autocomplete), most (maxlength), label,
                          hint, value; length, for a code: it is sent once it has this many characters
    facts                 a text beside the field, such as the attempts left
    submit, buttons       to (the step), text, busy (the text while it waits), trouble (the text if no answer
                          comes), waits (until resend_in has passed), and channel, if the button is for one
    expires_in, expiry    seconds, and their text with {clock} in it; resend_in, wait: the same
    solving, unable       texts for a puzzle: while the browser solves it, and if it cannot
    proof                 of a valid session, for the page around the widget
    say                   announcements for screen readers, by seconds left of the code, and "again"
"""

from __future__ import annotations

import html
import re
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import strip_tags
from django.utils.translation import gettext, ngettext, pgettext

from otp.errors import NotAllowed, OtpError, RateLimited
from otp.pages import code as code_page
from otp.pages import number as number_page
from otp.pages.countries import unpicked
from otp.pages.kept import Kept
from otp.pages.words import OF_CODE
from otp.sessions import Session
from otp.verification import Verification
from sms import services as sms

View = dict[str, Any]

#: The widget replaces it with a clock.
_CLOCK = "{clock}"

#: A number, as the pages mark it.
_NUMBER = re.compile(r'<span class="number" dir="ltr"[^>]*>(.*?)</span>')


def number(session: Session, typed: str = "", error: OtpError | None = None) -> View:
    """The form for the number. ``error``: why the ``typed`` number got no code."""
    context = number_page.context_of(session, unpicked(number_page.wanted(session)), error)
    field = None
    if not session.phone:
        field = {
            "name": "phone",
            "type": "tel",
            "mode": "tel",
            "complete": "tel",
            "most": 64,
            "label": gettext("Phone number"),
            "hint": _said("_example", context),
            "value": typed,
        }
    given = ""
    if session.phone:
        given = gettext("It goes to %(given)s.") % {"given": _isolated(sms.mask(session.phone))}
    return _view(
        "number",
        gettext("Verify your phone"),
        f"{_said('_phone_lead', context)} {given}".strip(),
        error=context["error"],
        **(_solved() if isinstance(error, NotAllowed) and error.puzzle else {}),
        field=field,
        submit=_button("start", gettext("Send the code"), gettext("Sending …")),
    )


def code(about: Kept, verification: Verification, limited: RateLimited | None = None) -> tuple[Kept, View]:
    """The form for the code, or the view of its end. ``limited``: why a guess was not compared."""
    about, context = code_page.context_of(about, verification, limited)
    number = gettext("your number ending in %(end)s") % {"end": sms.mask(about.phone)[-2:]}
    context |= {"kept": about, "number": number}
    context["not_again"] = _said("_not_again", context)
    view = _pending(context) if verification.status == "pending" else _dead(context)
    if context["resend_in"]:
        wait = gettext("in %(clock)s") % {"clock": _CLOCK}
        view |= {"resend_in": context["resend_in"], "wait": wait}
    return about, view


def done(session: Session) -> View:
    return _view("valid", gettext("Your phone is verified"), proof=session.proof)


def elsewhere() -> View:
    return _view("closed", gettext("Opened elsewhere"), gettext("Please load this page again."))


def over() -> View:
    return _view("closed", gettext("This session has expired"), gettext("Please load this page again."))


def _solved() -> View:
    return {
        "solving": gettext(
            "One moment, please. Your browser is doing a short check, then the code goes out by itself."
        ),
        "unable": gettext(
            "This check needs JavaScript and a current browser. Please use one, or try again later."
        ),
    }


def _pending(context: View) -> View:
    spoken, rules, left = context["spoken"], context["rules"], context["attempts_left"]
    title, lead = gettext("Enter the code"), _said("_lead", context)
    if context["unsent"]:
        title, lead = gettext("The code did not get through"), f"{lead} {context['unsent']}"
    attempts = ngettext("%(counter)s attempt left", "%(counter)s attempts left", left) % {"counter": left}
    again = gettext("Call again") if spoken.is_call else gettext("Send again")
    another = _cancel()
    buttons = [_again(again, spoken.busy)]
    buttons += [_again(ask, busy, channel=channel.value) for channel, ask, busy in spoken.others]
    half_minute, ten_seconds = context["expires"]
    return _view(
        "pending",
        title,
        lead,
        error=context["error"] or context["not_again"],
        field={
            "name": "code",
            "type": "text",
            "mode": "numeric" if context["numeric"] else "text",
            "complete": "one-time-code",
            "most": 1600,
            "label": spoken.label,
            "hint": _said("_code_hint", context),
            "length": rules.length,
        },
        facts=attempts,
        submit=_button("check", gettext("Verify"), gettext("Checking …"), trouble=str(OF_CODE["unchecked"])),
        buttons=[another, *buttons] if context["of_number"] else [*buttons, another],
        expires_in=context["expires_in"],
        expiry=gettext("Expires in %(clock)s") % {"clock": _CLOCK},
        say={
            "30": half_minute,
            "10": ten_seconds,
            "0": gettext("The code has expired") + ".",
            "again": gettext("You can have the code sent again now."),
        },
    )


def _dead(context: View) -> View:
    if context["state"] == "blocked":
        title = gettext("Too many wrong codes")
        lead = gettext(
            "This code no longer works, so that nobody can guess it. We can send a new one to %(number)s."
        )
    else:
        title = gettext("The code has expired")
        lead = gettext(
            "Its time ran out, or a newer one took its place. We can send a new one to %(number)s."
        )
    return _view(
        context["state"],
        title,
        lead % context,
        error=context["not_again"],
        submit=_again(gettext("Send a new code"), gettext("Sending …")),
        buttons=[_cancel()],
    )


def _view(state: str, title: str, lead: str = "", **more: object) -> View:
    language = pgettext("the language of the page", "en")
    direction = pgettext("the direction of the page", "ltr")
    return {"state": state, "lang": language, "dir": direction, "title": title, "lead": lead} | more


def _button(to: str, text: str, busy: str, *, trouble: str = "", **more: object) -> View:
    trouble = trouble or gettext("We cannot send a code right now. Please try again in a moment.")
    return {"to": to, "text": text, "busy": busy, "trouble": trouble} | more


def _again(text: str, busy: str, channel: str = "") -> View:
    return _button("resend", text, busy, waits=True, channel=channel)


def _cancel() -> View:
    text = gettext("Use another number")
    trouble = gettext("We cannot go on right now. Nothing is lost: please try again in a few seconds.")
    return _button("cancel", text, text, trouble=trouble)


def _said(template: str, context: View) -> str:
    """The text of a part of a page."""
    words = _NUMBER.sub(lambda found: _isolated(found[1]), render_to_string(f"otp/{template}.html", context))
    return " ".join(html.unescape(strip_tags(words)).split())


def _isolated(number: str) -> str:
    """A number within a sentence that may run right to left (Unicode's LRI and PDI)."""
    return f"\u2066{number}\u2069"
