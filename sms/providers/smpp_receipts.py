"""Receipts and inbound messages, as an SMSC delivers them in a deliver_sm.

Sections and appendices are those of SMPP 3.4, issue 1.2.
"""

from __future__ import annotations

import re
import secrets

from sms.message import Inbound, Receipt, State
from sms.providers import smpp_wire as wire
from sms.providers.smpp_addresses import international
from sms.providers.vendor import state_table

#: The values of message_state (5.2.28), in the words of receipts (Appendix B).
WORDS = ("", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
STATES = state_table(
    sent="ENROUTE ACCEPTD ACCEPTED",
    delivered="DELIVRD DELIVERED",
    failed="EXPIRED DELETED UNDELIV UNDELIVERABLE REJECTD REJECTED FAILED",
)

#: The bases of an SMSC's ids, by the words of ``answer_ids`` and ``receipt_ids``. 0: they stay as they are.
BASES = {"": 0, "decimal": 10, "hex": 16}


def read_receipt(found: wire.Delivered, bases: tuple[int, int]) -> Receipt:
    """``bases``: of ids in answers, and in receipts. Raises ``ValueError`` if it names no message."""
    # The beginning of the message follows "text:". Its sender chose it, so do not parse it.
    text = re.split(r"\btext:", _as_is(found), maxsplit=1, flags=re.IGNORECASE)[0]
    fields = {name.lower(): value for name, value in re.findall(r"\b(id|stat|err):\s*(\S+)", text, re.I)}
    state = found.optional.get(wire.MESSAGE_STATE, b"")
    word = WORDS[state[0]] if len(state) == 1 and state[0] < len(WORDS) else ""
    word = word or fields.get("stat", "").upper()
    # The specification (5.3.2.12) wants this one written as in the answer.
    if optional := found.optional.get(wire.RECEIPTED_MESSAGE_ID, b"").partition(b"\0")[0]:
        id = in_decimal(optional.decode("latin-1"), bases[0])
    else:
        id = in_decimal(fields.get("id", ""), bases[1])
    if not id:
        raise ValueError("the receipt names no message")
    error = fields.get("err", "").lstrip("0")
    network = found.optional.get(wire.NETWORK_ERROR_CODE, b"")
    if len(network) == 3 and any(network[1:]):
        error = str(int.from_bytes(network[1:], "big"))
    state_of = STATES.get(word, State.UNKNOWN)
    return Receipt(reference="", state=state_of, raw=word, provider_message_id=id, error=error)


def read_inbound(found: wire.Delivered) -> Inbound:
    """A message that a user sent. Its id is ours, since the SMSC gives none."""
    return Inbound(
        id=secrets.token_hex(16),
        phone=international(found.source),
        sender=international(found.destination),
        text=wire.decoded(found.text, found.coding),
    )


def in_decimal(id: str, base: int) -> str:
    """An id in decimal; unchanged without a ``base``, or if it is not a number."""
    digits = {0: "", 10: "[0-9]{1,64}", 16: "[0-9A-Fa-f]{1,64}"}[base]
    return str(int(id, base)) if base and re.fullmatch(digits, id) else id


def _as_is(found: wire.Delivered) -> str:
    """The text of a receipt.

    It is ASCII even if the default alphabet is GSM-7, in which an underscore would become a "§".
    """
    return wire.decoded(found.text, found.coding or wire.LATIN_1)
