"""Opt-outs: a number on a list gets no plain message by that alias, and nobody can read the list."""

from __future__ import annotations

import io
import json
import sys
from io import StringIO

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from structlog.testing import capture_logs

from otp import services as otp
from sms import cells, names, optouts, services
from sms.checks import settings as checks
from sms.errors import OptedOut, OutcomeUnknown, PermanentFailure, TemporaryFailure, Unavailable
from sms.message import State
from sms.testing import outbox
from tests.commands import commands
from tests.conftest import point_cache_at, server_with
from tests.sms.house import PHONE
from tests.spoilt import SPOILT

OTHER = "+12025550124"
YEARS = 5 * 365 * 24 * 3600


def kept(redis) -> list[bytes]:
    """Every key, but the tally."""
    return sorted(key for key in redis.scan_iter() if not key.startswith(b"sms:tally:"))


def lists(redis) -> list[str]:
    return sorted(key.decode() for key in redis.scan_iter(names.OPTOUTS + "*"))


class TestSending:
    """``services.send`` refuses a forbidden message before anything is written."""

    def test_a_number_that_opted_out_of_every_alias(self, house):
        optouts.add("a", [PHONE])
        optouts.add("b", [PHONE])
        before = kept(house.redis)
        with pytest.raises(OptedOut):
            house.send()
        assert kept(house.redis) == before
        assert services.send(OTHER, "Hello").state is State.QUEUED

    def test_one_that_may_be_sent_twice_heeds_them_too(self, house):
        """It is not a code, though it is sent again if its outcome stays unknown."""
        optouts.add("a", [PHONE])
        assert house.deliver(house.send(resend_unknown=True)).alias == "b"
        assert house.calls == "b"

    def test_it_goes_by_the_aliases_that_are_left(self, house):
        optouts.add("a", [PHONE])
        assert house.deliver(house.send()).alias == "b"
        assert house.calls == "b"

    @pytest.mark.parametrize("failure", [TemporaryFailure("x"), None])
    def test_no_failure_brings_it_to_an_alias_that_is_out(self, house, failure):
        house.settings.SMS_ROUTES = {"default": "a>b>c"}
        optouts.add("b", [PHONE])
        house.providers["a"].outcomes = [failure]
        house.deliver(house.send())
        assert house.calls == ("ac" if failure else "a")

    def test_rounds_go_on_without_it(self, house):
        optouts.add("a", [PHONE])
        house.providers["b"].outcomes = [TemporaryFailure("x", code="busy")] * 4
        id = house.send()
        assert [house.deliver(id).state for _ in range(4)] == [State.QUEUED] * 3 + [State.FAILED]
        assert (house.calls, services.get(id).error) == ("bbbb", "busy")

    def test_one_who_opts_out_while_it_waits_does_not_get_it(self, house):
        id = house.send()
        optouts.add("a", [PHONE])
        optouts.add("b", [PHONE])
        with capture_logs() as logs:
            message = house.deliver(id)
        assert (message.state, message.error, house.calls) == (State.FAILED, "opted_out", "")
        assert [line["event"] for line in logs] == ["message_failed"]
        assert house.redis.exists(names.BODY + id) == 0

    def test_nor_does_a_replay_reach_them(self, house):
        house.settings.SMS_BREAKER = {"fewest": 100}
        for name in "ab":
            house.providers[name].outcomes = [TemporaryFailure("x")] * 4
        id = house.send()
        for _ in range(4):
            house.deliver(id)
        for name in "ab":
            optouts.add(name, [PHONE])
        assert services.replay(id)
        assert (house.deliver(id).error, house.calls) == ("opted_out", "a" * 4 + "b" * 4)

    def test_a_route_that_changed_meanwhile_is_asked_as_it_is(self, house):
        id = house.send()
        house.settings.SMS_ROUTES = {"default": "c"}
        optouts.add("c", [PHONE])
        assert house.deliver(id).error == "opted_out"

    def test_codes_go_all_the_same(self, house):
        for name in "ab":
            optouts.add(name, [PHONE])
        assert house.deliver(house.code()).state is State.SENT
        assert otp.start(PHONE).status == "pending"

    def test_a_code_goes_on_to_an_alias_that_is_out(self, house):
        optouts.add("b", [PHONE])
        house.providers["a"].outcomes = [TemporaryFailure("x")]
        assert house.deliver(house.code()).state is State.SENT
        assert house.calls == "ab"

    def test_a_code_may_be_sent_twice_as_ever(self, house):
        """Opt-outs are looked up only for plain messages."""
        optouts.add("b", [PHONE])
        house.providers["a"].outcomes = [OutcomeUnknown("x")]
        id = house.code()
        house.deliver(id)
        assert (house.deliver(id).alias, house.calls) == ("b", "ab")

    def test_it_costs_no_round_trip(self, house):
        """The script that accepts a message looks for itself; with cells the hub, which is asked anyway."""
        house.send()
        with commands() as sent:
            house.send()
        for name in "ab":
            optouts.add(name, [PHONE])
        with commands() as refused, pytest.raises(OptedOut):
            house.send()
        assert refused == sent == ["EVALSHA"] * (1 + cells.many())

    def test_it_is_refused_before_it_is_overloaded(self, house):
        """A caller that would come back later would come in vain."""
        house.settings.SMS_LONGEST_WAIT = {"bulk": 1}
        house.redis.zadd(names.WAITING + "bulk", {f"m{n}": 1 for n in range(20)})
        for name in "ab":
            optouts.add(name, [PHONE])
        with pytest.raises(OptedOut):
            house.send()

    def test_over_http(self, api, redis):
        optouts.add("test", [PHONE])
        answer = api.post("/v1/messages", {"to": "+1 (202) 555-0123", "body": "Hello"})
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "opted_out", "to")
        assert "2025550123" not in answer.content.decode()
        assert outbox == []
        assert api.post("/v1/verifications", {"phone": PHONE}).status_code == 202


class TestWhatTheVendorReports:
    """A refusal because of an opt-out puts the number on the list of that alias."""

    @pytest.mark.parametrize("kind", ["plain", "code"])
    def test_the_number_is_refused_and_on_the_list(self, house, kind):
        house.providers["a"].outcomes = [PermanentFailure("x", code="21610", opted_out=True)]
        id = house.send() if kind == "plain" else house.code()
        with capture_logs() as logs:
            message = house.deliver(id)
        assert (message.state, message.error, house.calls) == (State.FAILED, "21610", "a")
        (line,) = [line for line in logs if line["event"] == "opted_out"]
        assert (line["alias"], line["message_id"], line["by"]) == ("a", id, "provider")
        assert PHONE[1:] not in str(logs)
        assert house.deliver(house.send()).alias == "b"

    def test_a_code_is_tried_again_the_next_time(self, house):
        """The vendor knows best whether its user came back."""
        house.providers["a"].outcomes = [PermanentFailure("x", code="21610", opted_out=True)]
        house.deliver(house.code())
        assert house.deliver(house.code()).state is State.SENT
        assert house.calls == "aa"

    def test_another_refusal_puts_nobody_there(self, house):
        house.providers["a"].outcomes = [PermanentFailure("x", code="21211")]
        house.deliver(house.send())
        assert lists(house.redis) == []

    def test_the_message_ends_where_the_list_cannot_be_written(self, house, monkeypatch):
        house.providers["a"].outcomes = [PermanentFailure("x", code="21610", opted_out=True)]
        id = house.send()

        def fail(alias, numbers):
            raise ImproperlyConfigured("no key")

        monkeypatch.setattr(optouts, "add", fail)
        with capture_logs() as logs:
            assert house.deliver(id).state is State.FAILED
        assert next(line["event"] for line in logs) == "optout_forgotten"


class TestTheList:
    @pytest.fixture(autouse=True)
    def two(self, settings):
        settings.SMS_PROVIDERS = {"main": "memory://", "spare": "memory://"}
        self.settings = settings

    def test_it_names_nobody_and_ends(self, redis):
        optouts.add("main", [PHONE, OTHER])
        (key,) = lists(redis)
        assert 0 < redis.ttl(key) <= YEARS
        assert redis.ttl(key) > YEARS - 60
        content = str(redis.zrange(key, 0, -1, withscores=True)) + key
        assert PHONE[1:] not in content
        assert "2025550" not in content

    def test_each_is_kept_for_its_own_five_years(self, redis):
        optouts.add("main", [PHONE])
        (key,) = lists(redis)
        self.settings.SMS_ROUTES = {"default": "main"}
        with pytest.raises(OptedOut):
            services.send(PHONE, "Hello")
        redis.zadd(key, {optouts.newest(PHONE).digest: 1})  # that was five years ago
        assert services.send(PHONE, "Hello").id
        optouts.add("main", [OTHER])
        assert redis.zcard(key) == 1

    def test_another_stop_renews_it(self, redis):
        assert optouts.add("main", [PHONE]) == 1
        (key,) = lists(redis)
        digest = optouts.newest(PHONE).digest
        redis.zadd(key, {digest: redis.time()[0] * 1000 + 1000})
        redis.expire(key, 10)
        assert optouts.add("main", [PHONE]) == 0
        assert redis.ttl(key) > YEARS - 60
        assert redis.zscore(key, digest) / 1000 == pytest.approx(redis.time()[0] + YEARS, abs=60)

    def test_it_can_be_taken_back(self, redis):
        optouts.add("main", [PHONE])
        optouts.add("spare", [PHONE])
        assert optouts.remove("spare", PHONE)
        assert not optouts.remove("spare", PHONE)
        assert services.send(PHONE, "Hello").state is State.QUEUED
        assert optouts.remove("main", PHONE)
        assert lists(redis) == []

    def test_a_thousand_at_once(self, redis):
        numbers = [f"+1202555{n:04}" for n in range(1200)]
        assert optouts.add("main", numbers) == 1200
        assert optouts.counts() == {"main": (1200, 0)}

    def test_whoever_has_redis_alone_can_look_up_nobody(self, settings, redis):
        """The digest of a number depends on the key."""
        before = optouts.newest(PHONE)
        settings.PHONE_SECRET_KEY = "another-" * 8
        after = optouts.newest(PHONE)
        assert before.key != after.key
        assert before.digest != after.digest

    @pytest.mark.parametrize("name", SPOILT)
    def test_without_redis_it_is_unavailable(self, settings, name):
        with server_with(lua_time_limit="50") as server:
            point_cache_at(settings, server.url)
            optouts.add("main", [PHONE])
            with SPOILT[name](server, settings), pytest.raises(Unavailable):
                optouts.add("main", [OTHER])


class TestRotation:
    """An opt-out outlives the key that it was made with."""

    @pytest.fixture(autouse=True)
    def one(self, settings):
        settings.SMS_PROVIDERS = {"main": "memory://"}
        optouts.add("main", [PHONE])
        self.former = settings.PHONE_SECRET_KEY
        settings.PHONE_SECRET_KEY = "another-" * 8
        self.settings = settings

    def is_out(self) -> bool:
        try:
            services.send(PHONE, "Hello")
        except OptedOut:
            return True
        return False

    def test_without_the_former_key_it_is_lost(self):
        assert not self.is_out()
        assert optouts.counts() == {"main": (0, 1)}

    @pytest.mark.parametrize("setting", ["PHONE_SECRET_KEY_FALLBACKS", "SMS_OPTOUT_KEYS"])
    def test_the_former_key_finds_it(self, redis, setting):
        setattr(self.settings, setting, [self.former])
        assert self.is_out()
        assert optouts.counts() == {"main": (1, 0)}
        optouts.add("main", [OTHER])
        assert len(lists(redis)) == 2
        assert optouts.remove("main", PHONE)
        assert not self.is_out()

    def test_codes_do_not_know_the_keys_of_opt_outs(self):
        self.settings.SMS_OPTOUT_KEYS = [self.former]
        issued = otp.start(OTHER)
        assert otp.status(issued.id).status == "pending"
        self.settings.PHONE_SECRET_KEY = "a-third-one-" * 4
        assert otp.start(OTHER).id != issued.id  # another phone to it: no cooldown

    def test_where_there_is_no_key_nobody_can_opt_out(self, redis):
        self.settings.PHONE_SECRET_KEY = ""
        assert not self.is_out()
        with pytest.raises(ImproperlyConfigured, match="PHONE_SECRET_KEY"):
            optouts.add("main", [PHONE])
        self.settings.SMS_PROVIDERS = {"main": "twilio://AC1:x@?from=x"}
        (error,) = checks.opt_outs_have_a_key()
        assert (error.id, "main" in error.msg) == ("sms.E035", True)


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def two(self, settings):
        settings.SMS_PROVIDERS = {"main": "memory://", "spare": "memory://"}
        self.settings = settings

    def run(self, *arguments: str) -> str:
        out = StringIO()
        call_command("optouts", *arguments, stdout=out, stderr=out)
        return out.getvalue()

    def test_it_counts_by_alias(self):
        optouts.add("main", [PHONE, OTHER])
        optouts.add("gone", [PHONE])
        assert self.run().splitlines() == [
            "main   2",
            "spare  0",
            "gone   1  is not an alias of SMS_PROVIDERS",
        ]
        assert self.run("count") == self.run()
        found = [json.loads(line) for line in self.run("count", "--json").splitlines()]
        assert found[0] == {"alias": "main", "opted_out": 2, "without_key": 0, "configured": True}
        assert found[2]["configured"] is False
        assert self.run("--json") == self.run("count", "--json")

    def test_it_tells_of_those_whose_key_is_gone(self):
        optouts.add("main", [PHONE])
        self.settings.PHONE_SECRET_KEY = "another-" * 8
        shown = self.run()
        assert shown.startswith("main   0\n1 more of main no longer count")
        assert "SMS_OPTOUT_KEYS" in shown

    def test_a_number_is_added_and_removed(self):
        assert self.run("add", "+1 202 555 0123", "main", "spare").splitlines() == [
            "+1••••••••23 has opted out of main.",
            "+1••••••••23 has opted out of spare.",
        ]
        assert self.run("add", PHONE, "main") == "+1••••••••23 had already opted out of main.\n"
        with pytest.raises(OptedOut):
            services.send(PHONE, "Hello")
        assert self.run("remove", PHONE, "main") == "+1••••••••23 gets messages by main again.\n"
        shown = json.loads(self.run("remove", PHONE, "spare", "--json"))
        assert shown == {"number": "+1••••••••23", "alias": "spare", "removed": True}
        with pytest.raises(CommandError, match="Nothing was removed"):
            self.run("remove", PHONE, "main", "spare")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["add", "0123", "main"], "The country code is missing. Write it as"),
            (["add", "+1202", "main"], "too short"),
            (["add", PHONE, "mian"], "mian is not an alias. SMS_PROVIDERS names main, spare."),
            (["add", PHONE], "required: alias"),
            (["add"], "required: number, alias"),
            (["delete", PHONE], "invalid choice: 'delete'"),
            (["import", "/no/such/file", "main"], "cannot be read: No such file"),
            (["import", "/", "main"], "cannot be read: Is a directory"),
            (["import", "-", "mian"], "not an alias"),
        ],
    )
    def test_what_is_wrong_is_told(self, arguments, words, redis):
        with pytest.raises(CommandError) as caught:
            self.run(*arguments)
        assert words in str(caught.value)
        assert caught.value.returncode == 1
        assert lists(redis) == []

    def test_one_of_an_alias_that_is_no_more_can_be_removed(self):
        optouts.add("gone", [PHONE])
        assert "again" in self.run("remove", PHONE, "gone")

    @pytest.mark.parametrize(
        "content",
        [
            f"{PHONE}\n{OTHER}\n",
            f"phone\n{PHONE}\n\n{OTHER}\n",
            f"name,Phone,since\nA,{PHONE},2026\nB,{OTHER},2026\n",
            f'"name";"number"\r\n"A, B";"+1 202 555 0123"\r\n"C";"{OTHER}"\r\n',
            f"\ufeff{PHONE}\n{OTHER}",
            f"Somebody,\n{PHONE},x\n{OTHER},",
        ],
    )
    def test_a_file_is_imported(self, tmp_path, content):
        file = tmp_path / "numbers.csv"
        file.write_text(content, "utf-8")
        assert (
            self.run("import", str(file), "main") == "main: 2 numbers, 2 of which had not opted out before.\n"
        )
        shown = json.loads(self.run("import", str(file), "main", "--json"))
        assert shown == {"alias": "main", "numbers": 2, "added": 0, "refused": 0}
        assert optouts.counts() == {"main": (2, 0)}

    def test_lines_that_hold_no_number_are_told_and_the_rest_is_added(self, tmp_path):
        """By their lines: the text there may be half of somebody's number."""
        file = tmp_path / "numbers.csv"
        lines = [PHONE, "12025550199", "nobody", "", OTHER, *["+1"] * 20, " ,x"]
        file.write_text("\n".join(lines))
        with pytest.raises(CommandError) as caught:
            self.run("import", str(file), "main")
        told = str(caught.value).splitlines()
        assert told[:3] == [
            "Lines without a number: 23",
            "  line 2: The country code is missing.",
            "  line 3: A phone number has no letters.",
        ]
        assert told[-1] == "  and 13 more"
        assert "2025550199" not in str(caught.value)
        assert optouts.counts() == {"main": (2, 0)}

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"phone\n"])
    def test_a_file_without_numbers(self, tmp_path, content):
        file = tmp_path / "numbers.csv"
        file.write_bytes(content)
        with pytest.raises(CommandError, match="The file has no numbers"):
            self.run("import", str(file), "main")

    def test_a_file_that_is_no_text(self, tmp_path):
        file = tmp_path / "numbers.xlsx"
        file.write_bytes(b"PK\x03\x04\xff\xfe" * 100)
        with pytest.raises(CommandError, match="not UTF-8"):
            self.run("import", str(file), "main")

    def test_standard_input(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PHONE}\n"))
        assert self.run("import", "-", "main", "spare").count("1 numbers") == 2

    def test_a_long_one_shows_how_far_it_is(self, tmp_path, monkeypatch):
        class Terminal(StringIO):
            def isatty(self):
                return True

        from sms.management.commands import optouts as command

        monkeypatch.setattr(command, "LONG", 0.0)
        monkeypatch.setattr(command, "TICK", 0.0)
        file = tmp_path / "numbers.csv"
        file.write_text("\n".join([PHONE] * 1000))
        out, terminal = StringIO(), Terminal()
        call_command("optouts", "import", str(file), "main", stdout=out, stderr=terminal)
        shown = terminal.getvalue().split("\r")
        assert "50 %  500 lines" in terminal.getvalue()
        assert shown[-1].strip().endswith("100 %  1,000 lines")
        quiet = StringIO()
        call_command("optouts", "import", str(file), "main", stdout=StringIO(), stderr=quiet)
        assert "%" not in quiet.getvalue()

    def test_without_redis_it_says_so(self):
        with server_with() as server:
            url = server.url
        point_cache_at(self.settings, url)
        with pytest.raises(CommandError, match="Is REDIS_URL right"):
            self.run()

    def test_no_number_stands_in_its_log(self, tmp_path):
        file = tmp_path / "numbers.csv"
        file.write_text(PHONE)
        with capture_logs() as logs:
            self.run("add", PHONE, "main")
            self.run("import", str(file), "main")
            self.run("remove", PHONE, "main")
        assert PHONE[1:] not in str(logs)
