"""Dead letters: what is shown of them, and what is sent again."""

from __future__ import annotations

import json
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from sms import cells, ids, names, services
from sms.errors import TemporaryFailure
from sms.message import State


class TestDeadLetters:
    @pytest.fixture
    def dead(self, house):
        house.settings.SMS_BREAKER = {"fewest": 100}
        for name in "ab":
            house.providers[name].outcomes = [TemporaryFailure("x", code="busy")] * 4
        id = house.code()
        for _ in range(4):
            house.deliver(id)
        return id

    def command(self, *arguments: str) -> str:
        out = StringIO()
        call_command("dead_letters", *arguments, stdout=out, stderr=out)
        return out.getvalue()

    def test_they_are_listed_without_number_and_text(self, dead):
        shown = self.command()
        assert dead in shown
        assert "busy" in shown
        assert "123456" not in shown
        assert "2025550123" not in shown

    def test_when_each_was_accepted_and_when_given_up_is_told(self, dead, redis):
        redis.hset(names.RECORD + dead, "created_at", 1_700_000_000_000)
        redis.zadd(names.DEAD, {dead: 1_700_000_061_000})
        times = "accepted 2023-11-14T22:13:20+00:00  given up 2023-11-14T22:14:21+00:00"
        for words in ([], [dead]):
            assert f"{dead}  {times}" in self.command(*words)
        row = json.loads(self.command("--json"))
        assert row["created_at"] == "2023-11-14T22:13:20+00:00"
        assert row["given_up_at"] == "2023-11-14T22:14:21+00:00"

    def test_they_are_forgotten_with_their_records(self, dead, redis):
        record = redis.ttl(names.RECORD + dead)
        assert redis.ttl(names.DEAD) == pytest.approx(record, abs=2) == pytest.approx(72 * 3600, abs=2)

    @pytest.mark.parametrize("skew", [-300, 300])
    def test_what_is_left_of_them_is_told_by_the_clock_of_redis(self, dead, monkeypatch, skew):
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + skew)
        assert 110 <= json.loads(self.command("--json"))["expires_in"] <= 120

    def test_replay_sends_again(self, house, dead):
        assert "sent again" in self.command("--replay")
        assert house.published.count(dead) == 2
        assert house.deliver(dead).state is State.SENT
        assert self.command().startswith("No dead letters.\n")

    def test_what_expired_is_not_sent(self, house, dead, redis):
        redis.hset(names.RECORD + dead, "expires_at", 1)
        assert '"replayed": false' in self.command("--replay", "--json")
        assert house.deliver(dead).state is State.FAILED

    @pytest.mark.parametrize("ending", ["cancelled", "replaced"])
    def test_what_nobody_wants_is_not_sent(self, house, dead, ending):
        if ending == "cancelled":
            services.cancel(dead)
        else:
            house.send(queue="otp", replaces=dead)
        assert not services.replay(dead)

    def test_the_limit_is_about_the_list_alone(self, house, dead, redis):
        """``dead`` is the oldest of many; by its id it is found, and --replay reaches all."""
        for n in range(150):
            later = ids.new(cells.of_id(dead))
            redis.copy(names.RECORD + dead, names.RECORD + later)
            redis.zadd(names.DEAD, {later: (time.time() + n) * 1000})
        assert len(self.command().splitlines()) == 100
        assert len(self.command("--limit", "120").splitlines()) == 120
        assert self.command(dead).startswith(dead)
        shown = self.command("--replay").splitlines()
        assert len(shown) == 151
        assert shown[-1].startswith(dead)
        assert shown[-1].endswith("sent again")

    def test_no_id_looks_like_an_option(self):
        """``manage.py dead_letters -vABC`` would set the verbosity."""
        assert not any(ids.new().startswith("-") for _ in range(2000))

    def test_an_unknown_id_is_named(self, dead):
        with pytest.raises(CommandError, match="never-was"):
            self.command("never-was")

    def test_there_are_none(self, house):
        assert self.command().startswith("No dead letters.\n")
