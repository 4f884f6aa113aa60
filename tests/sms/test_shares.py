"""The rule of learning: whatever was counted, the shares are shares, and what is better gets more."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sms import shares
from sms.shares import Count, Known, decide

ALIASES = "abcd"
ALIKE = {"a": 1.0, "b": 1.0}

counts = st.tuples(st.floats(0, 5000), st.floats(0, 1)).map(lambda pair: Count(pair[0], pair[0] * pair[1]))
steps = st.integers(2, 4).flatmap(
    lambda size: st.fixed_dictionaries(dict.fromkeys(ALIASES[:size], st.tuples(counts, st.floats(0.01, 100))))
)


@given(steps, st.lists(st.floats(0, 3), min_size=4, max_size=4))
def test_shares_add_up_and_everybody_is_tried(step, costs):
    counted = {alias: count for alias, (count, _) in step.items()}
    weights = {alias: weight for alias, (_, weight) in step.items()}
    found = decide(counted, weights, dict(zip(step, costs, strict=False)))
    assert found.by_alias.keys() == step.keys()
    assert sum(found.by_alias.values()) == pytest.approx(1)
    if found.enough:
        assert min(found.by_alias.values()) >= shares.FLOOR - 1e-9
    else:
        assert sum(count.sent for count in counted.values()) < shares.ENOUGH
        assert found.by_alias == shares.by_weights(weights)


@given(steps)
def test_what_is_alike_gets_alike_and_names_do_not_matter(step):
    counted = {alias: count for alias, (count, _) in step.items()}
    assume(sum(count.sent for count in counted.values()) >= shares.ENOUGH)
    weights = dict.fromkeys(step, 1.0)
    renamed = {alias: counted[other] for alias, other in zip(step, reversed(step), strict=True)}
    found, other_way = decide(counted, weights).by_alias, decide(renamed, weights).by_alias
    assert [*found.values()] == pytest.approx([*other_way.values()][::-1])
    same = decide(dict.fromkeys(step, Count(100, 70)), weights).by_alias
    assert [*same.values()] == pytest.approx([1 / len(step)] * len(step))


@given(st.floats(40, 2000), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_typed_codes_never_mean_a_smaller_share(sent, other, typed, more):
    def share(part):
        counted = {"a": Count(sent, sent * part), "b": Count(sent, sent * other)}
        return decide(counted, ALIKE).by_alias["a"]

    # If hardly any codes are typed, one more also makes the belief less certain.
    less, most = sorted((max(typed, 0.1), max(more, 0.1)))
    assert share(most) >= share(less) - 0.02


@given(st.lists(st.tuples(st.integers(1, 40), st.dictionaries(st.sampled_from("ab"), counts)), max_size=30))
def test_what_is_known_is_never_more_than_was_counted(slices):
    known, at, in_all = Known(), 0.0, 0.0
    for later, more in slices:
        at += later * 300
        known = known.add(at, more)
        in_all += sum(count.sent for count in more.values())
        newest = sum(count.sent for count in more.values())
        assert newest - 1e-6 <= sum(count.sent for count in known.counts.values()) <= in_all + 1e-6
        assert all(0 <= count.typed <= count.sent + 1e-9 for count in known.counts.values())


def test_a_typed_code_whose_sending_was_not_counted_is_none():
    assert Known().add(0, {"a": Count(2, 5)}).counts["a"] == Count(2, 2)


def test_few_codes_leave_the_weights_as_they_are():
    found = decide({"a": Count(39, 0)}, {"a": 3.0, "b": 1.0})
    assert (found.enough, found.by_alias) == (False, {"a": 0.75, "b": 0.25})
    assert decide({"a": Count(40, 0)}, {"a": 3.0, "b": 1.0}).by_alias["b"] > 0.9


def test_days_without_codes_are_forgotten():
    known = Known().add(0, {"a": Count(100, 85), "b": Count(100, 60)})
    assert known.later(shares.HALF_LIFE).counts["a"] == Count(50, 42.5)
    assert not decide(known.later(5 * shares.HALF_LIFE).counts, ALIKE).enough


def test_many_codes_make_those_before_count_less():
    known = Known().add(0, {"a": Count(100, 100)})
    for _ in range(10):
        known = known.add(0, {"b": Count(100, 60)})
    assert known.counts["a"].sent < 1
    assert 200 < known.counts["b"].sent < 300


def test_a_new_alias_is_tried_more_than_the_floor():
    share = decide({"a": Count(200, 120)}, ALIKE).by_alias["b"]
    assert 0.2 < share < 0.6


def test_of_two_that_convert_alike_the_cheaper_gets_more():
    counted = dict.fromkeys("ab", Count(200, 170))
    assert decide(counted, ALIKE, {"a": 0.01, "b": 0.2}).by_alias["a"] > 0.9


def test_one_that_costs_more_than_a_code_is_worth_is_only_tried():
    counted = {"a": Count(200, 190), "b": Count(200, 60)}
    assert decide(counted, ALIKE, {"a": 1.5, "b": 0.1}).by_alias["a"] == pytest.approx(shares.FLOOR)


@given(st.floats(1, 50))
def test_an_attack_does_not_make_the_cheaper_one_the_better(force):
    """It comes to each by its share, so all conversions shrink by the same factor."""
    counted = {"a": Count(100 * (1 + force), 85), "b": Count(100 * (1 + force), 60)}
    found = decide(counted, ALIKE, {"a": 0.08, "b": 0.02}).by_alias
    assert found["a"] > 0.5
