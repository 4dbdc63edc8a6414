"""What answers to ids prove, whatever a source makes of them."""

import re
from collections.abc import Callable, Sequence

import pytest

from coincrawl.lookup import Lookup

KNOWN = [f"known-{number:02}" for number in range(40)]
Answer = Callable[[Sequence[str]], list[str]]  # from the ids of a call to those of the answer, whatever the source has


def coins(number: int) -> list[str]:
    return [f"coin-{place:03}" for place in range(number)]


def look_up(
    ids: list[str], answer: Answer, known: Sequence[str] = KNOWN, nameless: int = 0
) -> tuple[Lookup, list[list[str]]]:
    """Ask for all of these; the calls that it took."""
    lookup = Lookup(50, lambda call: len(call) <= 50)
    made: list[list[str]] = []
    came = set(known)
    calls = lookup.ask(ids, came)
    while calls:
        assert len(made) < 500, "asking has no end"
        for call in calls:
            returned = answer(call)
            made.append(call)
            lookup.add(call, returned, nameless)
            came.update(returned)
        calls = lookup.again(came)
    return lookup, made


def has(*ids: str) -> Answer:
    """A source that has these, and what is known."""
    return lambda call: [coin_id for coin_id in call if coin_id in {*ids, *KNOWN}]


def test_what_is_there_is_asked_for_once() -> None:
    lookup, made = look_up(coins(80), has(*coins(80)))

    assert [len(call) for call in made] == [50, 50]
    assert (lookup.absent, lookup.doubts()) == (set(), [])


def test_what_is_not_there_is_asked_for_twice_beside_known_coins() -> None:
    lookup, made = look_up(coins(3), has("coin-001"))

    assert lookup.absent == {"coin-000", "coin-002"}
    assert lookup.perhaps_absent == set()
    assert lookup.doubts() == []
    assert [len(set(call) & set(KNOWN)) for call in made] == [10, 0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda call: [], "120 ids had no answer, but the same answers lack coins that are known to be there"),
        (lambda call: sorted(call)[-1:], "120 ids had no answer, but the same answers lack coins"),
        (lambda call: sorted(call, reverse=True)[:9], "120 ids had no answer, but the same answers lack coins"),
        (lambda call: sorted(call)[:1], "114 ids had no answer, but the same answers lack coins"),
    ],
    ids=["nothing", "one known coin", "nine of ten known coins", "one coin a call"],
)
def test_answers_without_what_is_known_to_be_there_prove_nothing(answer: Answer, words: str) -> None:
    lookup, made = look_up(coins(120), answer)

    assert lookup.doubts()[0].startswith(words)
    assert len(made) <= 3 * 3


def test_answers_that_leave_coins_out_are_asked_for_again_while_they_bring_some() -> None:
    lookup, made = look_up(coins(120), lambda call: sorted(call, reverse=True)[:30])

    assert (lookup.absent, lookup.doubts()) == (set(), [])
    assert len(made) <= 3 + 2 + 1 + 1


def test_a_lapse_is_not_believed() -> None:
    lapses = iter([True])

    lookup, made = look_up(coins(9), lambda call: [] if next(lapses, False) else has(*coins(9))(call))

    assert (lookup.absent, lookup.doubts(), len(made)) == (set(), [], 2)


def test_without_anything_known_what_came_is_asked_for_beside_the_rest() -> None:
    lookup, made = look_up(["bitcion", "bitcoin"], lambda call: [coin for coin in call if coin == "bitcoin"], known=())

    assert made == [["bitcion", "bitcoin"], ["bitcoin", "bitcion"], ["bitcion"]]  # at last alone: one known coin is few
    assert (lookup.absent, lookup.doubts()) == ({"bitcion"}, [])


def test_where_nothing_is_there_it_is_asked_for_twice() -> None:
    lookup, made = look_up(coins(3), has())

    assert (lookup.absent, lookup.doubts(), len(made)) == ({*coins(3)}, [], 2)


def test_two_lapses_are_not_believed_either() -> None:
    lapses = iter([True, True])

    lookup, made = look_up(coins(9), lambda call: [] if next(lapses, False) else has(*coins(9))(call))

    assert (lookup.absent, lookup.doubts(), len(made)) == (set(), [], 3)


def test_in_each_round_others_are_asked_for_beside_the_rest() -> None:
    """One that was known has left the market meanwhile: that makes no later answer doubtful."""
    first = Lookup(50, lambda call: True)
    first.ask(coins(3), KNOWN)
    gone = min(first.known)

    lookup, _ = look_up(coins(3), lambda call: [coin_id for coin_id in has()(call) if coin_id != gone])

    assert (lookup.absent, lookup.doubts()) == ({*coins(3)}, [])


def test_what_is_asked_for_or_cannot_be_is_not_known() -> None:
    assert Lookup(50, lambda call: True).ask(["bitcoin"], ["bitcoin", "a,b"]) == [["bitcoin"]]


@pytest.mark.parametrize(
    ("share", "most"),
    [(lambda asked: -(-asked // 10), 100), (lambda asked: asked * 95 // 1000, 3)],
    ids=["tenth", "less"],
)
def test_asking_is_given_up_after_three_rounds_that_bring_less_than_a_tenth(
    share: Callable[[int], int], most: int
) -> None:
    lookup, rounds = Lookup(10_000, lambda call: True), 0
    calls = lookup.ask(coins(1_000), KNOWN)
    while calls:
        rounds += 1
        (call,) = calls
        rest = [coin_id for coin_id in call if coin_id not in lookup.known]
        lookup.add(call, [*lookup.known, *rest[: share(len(rest))]], 0)
        calls = lookup.again(KNOWN)

    assert rounds == 3 if most == 3 else rounds > 3
    assert bool(lookup.absent) == (most == 3)


def test_where_nothing_comes_nothing_is_proven() -> None:
    lookup, made = look_up(coins(3), lambda call: [], known=())

    assert len(made) == 2
    assert lookup.doubts() == ["3 ids had no answer in 2 rounds of asking"]


def test_a_record_without_an_id_may_be_any_of_those_asked_for() -> None:
    lookup, _ = look_up(coins(2), has("coin-000"), nameless=1)

    assert lookup.absent == lookup.perhaps_absent == {"coin-001"}


def test_any_answer_says_what_may_be_a_record_without_an_id_unless_it_comes_later() -> None:
    lookup = Lookup(50, lambda call: True)
    (call,) = lookup.ask(["bitcion", "bitcoin", "dogecoin"], KNOWN)
    lookup.add(call, [*lookup.known, "bitcoin"], 1)
    (call,) = lookup.again(KNOWN)
    lookup.add(call, [*lookup.known, "dogecoin"], 0)

    assert (lookup.absent, lookup.perhaps_absent) == ({"bitcion"}, {"bitcion"})


@pytest.mark.parametrize(("times", "doubts"), [(1, []), (9, ["2 ids had no answer, but the answers have coins"])])
def test_an_answer_with_other_coins_than_were_asked_for_proves_nothing(times: int, doubts: list[str]) -> None:
    odd = iter([True] * times)

    lookup, made = look_up(coins(3), lambda call: ["other"] if next(odd, False) else has("coin-001")(call))

    assert lookup.doubts() == [doubt.replace("2", "3") + " that were not asked for" for doubt in doubts]
    assert len(made) == 3


def test_an_answer_with_other_coins_proves_nothing_also_where_it_has_the_known_ones() -> None:
    odd = iter([["other"]])

    lookup, made = look_up(coins(3), lambda call: [*has()(call), *next(odd, [])])

    assert (lookup.absent, lookup.doubts()) == ({*coins(3)}, [])
    assert [len(set(call) & set(KNOWN)) for call in made] == [10, 10, 0]


def test_nor_where_it_was_asked_for_nothing_known() -> None:
    rounds = iter([[], ["other"]])

    lookup, made = look_up(coins(3), lambda call: [*has()(call), *next(rounds, [])])

    assert (lookup.absent, lookup.doubts(), len(made)) == ({*coins(3)}, [], 3)


def test_what_comes_alone_makes_doubtful_what_did_not_come_beside_known_coins() -> None:
    rounds = iter([[], ["coin-000"]])

    lookup, made = look_up(coins(3), lambda call: [*has()(call), *next(rounds, [])])

    assert lookup.absent == {"coin-001", "coin-002"}
    assert [len(set(call) & set(KNOWN)) for call in made] == [10, 0, 10, 0]


def test_of_few_known_coins_all_are_asked_for() -> None:
    lookup = Lookup(50, lambda call: True)
    lookup.ask(coins(3), KNOWN[:3])

    assert lookup.known == {*KNOWN[:3]}


def test_a_call_has_no_more_ids_than_a_call_may_have() -> None:
    assert [len(call) for call in Lookup(3, lambda call: True).ask(coins(7))] == [3, 3, 1]


@pytest.mark.parametrize("known", [(), ("coin-000",)], ids=["nothing", "one coin"])
def test_a_source_that_sends_one_coin_a_call_proves_nothing_beside_few_known_coins(known: tuple[str, ...]) -> None:
    lookup, made = look_up(coins(30), lambda call: sorted(call)[:1], known)

    assert re.match(r"2\d ids had no answer in \d rounds of asking", lookup.doubts()[0])
    assert len(made) <= 5


def test_an_id_with_a_comma_cannot_be_asked_for_and_is_named() -> None:
    lookup, made = look_up(["a,b", "c"], has("c"))

    assert [set(call) - set(KNOWN) for call in made] == [{"c"}]
    assert lookup.doubts() == ["1 id cannot be asked for by ids=, because of a comma: a,b"]


def test_of_many_ids_with_a_comma_ten_are_named() -> None:
    lookup, _ = look_up([f"a,{number:02}" for number in range(11)], has())

    assert lookup.doubts() == [
        "11 ids cannot be asked for by ids=, because of a comma: a,00 a,01 a,02 a,03 a,04 a,05 a,06 a,07 a,08 a,09"
    ]


def test_a_call_has_no_more_than_fits() -> None:
    lookup = Lookup(50, lambda call: sum(map(len, call)) <= 200)

    calls = lookup.ask([*coins(40), "x" * 86, "y" * 190], KNOWN)

    assert sorted({coin_id for call in calls for coin_id in call} - lookup.known) == [*coins(40), "x" * 86, "y" * 190]
    assert all(sum(map(len, call)) <= 200 or len(call) == 11 for call in calls)


def test_other_coins_beside_all_that_were_asked_for_are_no_doubt() -> None:
    lookup = Lookup(5, lambda ids: True)
    (call,) = lookup.ask(["a"])

    lookup.add(call, ["a", "x"], 0)

    assert (lookup.again(["a"]), lookup.doubts()) == ([], [])
