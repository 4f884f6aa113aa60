"""The life of a code according to the docs, as plain Python: no Redis, no digests, no Lua.

Times are whole seconds. The model knows the right codes only because the handler told them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from otp.purposes import Purpose

DAY = 86_400
MOST_FAILURES = 100  # NIST SP 800-63B-4 §3.2.2
LONGEST_LIFE = 600  # of a code since it was made, however often it was resent
ESCALATION_KEPT = 600  # of quiet, after which the cooldown begins anew

Answer = tuple[str, int]  # status, and seconds to wait (0: the answer names no wait)


def pause(failures: int) -> int:
    """Seconds without a new code after so many wrong guesses in a row.

    30 s after six, doubled with every three more, at most an hour; a day after a hundred.
    """
    if failures >= MOST_FAILURES:
        return DAY
    return 0 if failures < 6 else min(30 * 2 ** (failures // 3 - 2), 3600)


@dataclass
class Code:
    """One verification, from its start until its lifetime is over."""

    id: str
    code: str
    made_at: int
    expires_at: int
    left: int  # for whoever knows the id
    left_by_phone: int  # for whoever knows only the number
    status: str = "pending"


@dataclass
class Line:
    """All that is known of one phone and purpose."""

    code: Code | None = None
    sends: int = 0
    resend_at: int = 0
    quiet_at: int = 0  # from then on, nothing is known of earlier sends
    failures: int = 0
    failed_at: int = 0
    old: list[Code] = field(default_factory=list)


class Model:
    """One line per phone and purpose; the caller says what time it is."""

    def __init__(self, purposes: dict[str, Purpose]) -> None:
        self.purposes = purposes
        self.lines: dict[tuple[str, str], Line] = {}
        self.now = 0

    def line(self, phone: str, purpose: str) -> Line:
        """The state at this moment: what has run out is forgotten."""
        line = self.lines.setdefault((phone, purpose), Line())
        if line.code and self.now > line.code.expires_at:
            line.old.append(line.code)
            line.code = None
        if self.now > line.quiet_at:
            line.sends = line.resend_at = 0
        if self.now > line.failed_at + DAY:
            line.failures = 0
        return line

    def may_start(self, phone: str, purpose: str) -> Answer:
        """Whether a start is answered with a code."""
        line = self.line(phone, purpose)
        if self.now < line.resend_at:
            return "pending", line.resend_at - self.now
        return self._blocked(line) or ("issued", 0)

    def started(self, phone: str, purpose: str, id: str, code: str) -> Code:
        """A code was issued; it replaces the one before."""
        line, rules = self.line(phone, purpose), self.purposes[purpose]
        if line.code:
            line.old.append(line.code)
        line.code = Code(id, code, self.now, self.now + rules.lifetime, rules.attempts, rules.attempts)
        self._sent(line, rules)
        return line.code

    def may_resend(self, phone: str, purpose: str, id: str = "") -> Answer:
        """Whether the code of ``id`` may go out again; without an id, the newest code."""
        line, rules = self.line(phone, purpose), self.purposes[purpose]
        code = line.code
        if code is None or code.status == "valid" or (id and id != code.id):
            return "expired", 0
        if code.status == "blocked" or not (id or code.left_by_phone):
            return "blocked", 0
        if self.now < line.resend_at:
            return "pending", line.resend_at - self.now
        if blocked := self._blocked(line):
            return blocked
        if not rules.new_code_on_resend and self._resent_until(code, rules) - self.now < rules.lifetime / 2:
            return "expired", 0
        return "issued", 0

    def resent(self, phone: str, purpose: str, code: str) -> Code:
        """The code went out again, perhaps as a new one under the same id."""
        line, rules = self.line(phone, purpose), self.purposes[purpose]
        found = line.code
        assert found is not None
        if rules.new_code_on_resend:
            found.made_at = self.now
        else:
            assert code == found.code
        found.code, found.expires_at = code, self._resent_until(found, rules)
        self._sent(line, rules)
        return found

    def guess(self, phone: str, purpose: str, code: str, id: str = "") -> Answer:
        """One guess, by phone or by id. The answer's number is that of the attempts left."""
        line = self.line(phone, purpose)
        found = line.code
        if found is None or found.status == "valid" or (id and id != found.id):
            return "expired", 0
        left = found.left if id else found.left_by_phone
        if found.status == "blocked" or not left or line.failures >= MOST_FAILURES:
            return "blocked", 0
        if code == found.code:
            found.status = "valid"
            line.sends = line.resend_at = line.failures = 0
            return "valid", left - 1
        line.failures += 1
        line.failed_at = self.now
        if id:
            found.left -= 1
        else:
            found.left_by_phone -= 1
        if not found.left:
            found.status = "blocked"
        return "invalid", left - 1

    def cancel(self, phone: str, purpose: str) -> bool:
        """Forget the code; what was sent is remembered. True if there was one."""
        line = self.line(phone, purpose)
        if line.code is None or line.code.status == "valid":
            return False
        line.old.append(line.code)
        line.code = None
        return True

    def _blocked(self, line: Line) -> Answer | None:
        wait = line.failed_at + pause(line.failures) - self.now
        return ("blocked", wait) if wait > 0 and line.failures else None

    def _sent(self, line: Line, rules: Purpose) -> None:
        cooldown = rules.cooldown[min(line.sends, len(rules.cooldown) - 1)]
        line.sends += 1
        line.resend_at = self.now + cooldown
        line.quiet_at = self.now + max(cooldown, rules.lifetime) + ESCALATION_KEPT

    def _resent_until(self, code: Code, rules: Purpose) -> int:
        return min(self.now + rules.lifetime, code.made_at + max(rules.lifetime, LONGEST_LIFE))
