"""The guard's script in virtual time, on a real server, and what its tests let it see."""

from __future__ import annotations

import json
from io import StringIO

from django.core.management import call_command

from otp.guard import decision, report
from sms.phone import Phone
from tests.bench import pumping

HOUR, DAY = 3600, 86_400
BEGIN = 1_700_006_400  # midnight UTC, seconds since the epoch
ABROAD = (("+33612345678", "FR"), ("+34612345678", "ES"), ("+393123456789", "IT"), ("+447400123456", "GB"))


class Clock:
    """The guard's script with a time of its own. ``now``: seconds."""

    def __init__(self):
        self.now = BEGIN + 12 * HOUR
        self.sends = 0
        self.told: list[str] = []  # of sends that were allowed beyond a cap

    def send(self, e164, country, ip="", free=False):
        """Ask for one send: "" if it went, otherwise reason and scope. ``self.wait``: milliseconds."""
        ask = decision.ask(Phone(e164, country, ""), ip, free=free)
        self.sends += 1
        if ask is None:
            return ""
        event = {"at": self.now * 1000, "send": self.sends, "ask": ask}
        (answer,) = pumping.DRIVER((), (json.dumps([event]),))
        wait, _, refusal = answer.decode().partition(" ")
        self.wait = int(wait or 0)
        said = " ".join(map(report.readable, refusal.split()))
        if said.startswith("allowed-"):
            self.told.append(said)
            return ""
        return said

    def verify(self, number=0):
        """The code of a send (the last one) is typed."""
        event = {"at": self.now * 1000, "send": number or self.sends}
        pumping.DRIVER((), (json.dumps([event]),))

    def prove(self, e164, country, times, ip=""):
        """So many sends that are verified after 20 seconds."""
        for _ in range(times):
            assert self.send(e164, country, ip) == ""
            self.now += 20
            self.verify()

    def sent(self, numbers, country, ip=""):
        """How many of these get a code."""
        return sum(not self.send(number, country, ip) for number in numbers)


def spread(count, country="+49151"):
    """Numbers that have nothing in common but their country and operator."""
    return [f"{country}{index:04d}0000" for index in range(count)]


def shut(clock, range="+491511234", country="DE"):
    """A stranger with ever new addresses fills the cap of a range."""
    while not clock.send(f"{range}{clock.sends:04d}", country):
        pass


def command(*words):
    """The output of `manage.py guard`: standard output, standard error."""
    out, err = StringIO(), StringIO()
    call_command("guard", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()
