"""The base class of the Iranian gateways.

Codes go by an approved template on a service line, which also reaches users who block advertising. Other
messages go as text by a line of your own.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from sms.errors import AccountFailure, PermanentFailure
from sms.message import Receipt, State
from sms.providers.base import Sms
from sms.providers.templates import Templates
from sms.providers.url import BadProviderURL
from sms.providers.vendor import HttpSender, Outcome, Request
from sms.providers.wire import at


class TemplateOrLine(HttpSender):
    url_names: ClassVar[Mapping[str, str]] = {"from": "sender"}

    #: The names of templates: a regular expression, and an example.
    template_form: ClassVar[tuple[str, str]] = r"\S+", "otp"
    word_form = r"-?[0-9]{1,5}"
    #: The vendor's word for an accepted request. Refusals come with HTTP 200 as well.
    taken: ClassVar[str]
    #: Path of the state in the answer to a look-up.
    state_path: ClassVar[str]
    states: Mapping[str, State] = {}

    def __init__(
        self, alias: str, address: str = "", *, template: str = "", sender: str = "", **common: Any
    ) -> None:
        """``template``: for codes, see ``Templates``. ``sender``: the line for other messages, and for codes
        without a template.
        """
        super().__init__(alias, address, **common)
        pattern, example = self.template_form
        ids = [entry.rpartition("=")[2].strip() for entry in template.split("|") if entry]
        if not all(re.fullmatch(pattern, id, re.ASCII) for id in ids):
            raise BadProviderURL(
                f"{alias}: template= takes the template's name in the panel, such as template={example}."
            )
        self.templates = Templates(alias, template)
        if not self.templates and not sender:
            raise BadProviderURL(
                f"{alias}: give template={example}, an approved template for codes, or from=, your own line."
            )
        self.sender = sender
        self.needs_code = not sender

    def build(self, sms: Sms) -> Request:
        to = dialled(sms.to)
        if self.templates and sms.code:
            return self.by_template(to, self.templates.of(sms), sms.code)
        line = sms.sender or self.sender
        if not line:
            raise AccountFailure("from= names no line for a message without a code", code="no_line")
        return self.by_line(to, line, sms)

    @abstractmethod
    def by_template(self, to: str, template: str, code: str) -> Request:
        """The request that sends a code by a template."""

    @abstractmethod
    def by_line(self, to: str, line: str, sms: Sms) -> Request:
        """The request that sends a text by a line."""

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        if 200 <= status < 300 and word != self.taken:
            return self.outcomes.get(word, "unknown")
        return super().outcome(status, word, found)

    def read_look_up(self, reference: str, found: Any) -> Receipt | None:
        """Only final states count. A message under way, or not known yet, is nothing new."""
        word = code_in(at(found, self.state_path))
        state = self.states.get(word)
        return Receipt(reference, state, word) if state in (State.DELIVERED, State.FAILED) else None


def dialled(to: str) -> str:
    """A number as dialled in Iran: +989123456789 → 09123456789, +4366412345 → 004366412345."""
    # The field takes several numbers, separated by commas.
    if not re.fullmatch(r"\+[0-9]{4,15}", to, re.ASCII):
        raise PermanentFailure("the number is not in E.164 form", code="to")
    return f"0{to[3:]}" if to.startswith("+98") else f"00{to[1:]}"


def e164(number: str) -> str:
    """The reverse of ``dialled``, for numbers in callbacks; "" if it is not a number."""
    digits = number.strip().removeprefix("+")
    if not re.fullmatch(r"[0-9]{4,17}", digits, re.ASCII):
        return ""
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    if digits.startswith("0"):
        return f"+98{digits[1:]}"
    return f"+98{digits}" if len(digits) == 10 and digits[0] == "9" else f"+{digits}"


def code_in(node: Any) -> str:
    """A vendor's code as a word; "" for a long value, or for text, which may repeat the number."""
    text = str(node) if isinstance(node, int | str) and not isinstance(node, bool) else ""
    return text if re.fullmatch(r"-?[0-9]{1,5}", text, re.ASCII) else ""
