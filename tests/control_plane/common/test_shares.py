"""Bounds of what callers hold: each of them, all together, and who gives way."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from control_plane.common.shares import UNSHARED, Shares


@dataclass(eq=False)
class Held:
    """Something held; `yields` where it may be ended."""

    share: str
    yields: bool = True

    def may_end(self) -> bool:
        """Returns whether it gives way."""
        return self.yields


def take(
    shares: Shares[Held], share: str, amount: int = 1, *, yields: bool = True
) -> tuple[Held, list[Held]]:
    """Holds something new; returns it, and who had to end for it."""
    holder, ended = Held(share, yields), []
    shares.set_amount(holder, amount)
    while (surplus := shares.surplus(holder)) is not None:
        shares.remove(surplus)
        ended.append(surplus)
        if surplus is holder:
            break
    return holder, ended


def test_within_a_share_the_oldest_gives_way() -> None:
    shares: Shares[Held] = Shares(per_share=2, in_all=100)
    first, _ = take(shares, "a")
    take(shares, "a")
    _, ended = take(shares, "a")
    assert ended == [first]
    assert shares.held_by("a") == 2


def test_what_may_not_end_stays_and_the_newcomer_goes() -> None:
    shares: Shares[Held] = Shares(per_share=2, in_all=100)
    take(shares, "a", yields=False)
    take(shares, "a", yields=False)
    third, ended = take(shares, "a", yields=False)
    assert ended == [third]
    _, ended = take(shares, "b")
    assert ended == []


def test_the_heaviest_share_gives_way_to_a_newcomer() -> None:
    shares: Shares[Held] = Shares(per_share=100, in_all=10)
    heavy = [take(shares, "heavy")[0] for _ in range(9)]
    light, _ = take(shares, "light")
    _, ended = take(shares, "new")
    assert ended == heavy[:1]
    _, ended = take(shares, "new", 5)
    assert light not in ended
    assert shares.total <= 10


def test_who_cannot_be_told_apart_is_bound_by_the_total_alone() -> None:
    shares: Shares[Held] = Shares(per_share=2, in_all=10)
    assert all(not take(shares, UNSHARED)[1] for _ in range(10))
    assert take(shares, UNSHARED)[1]


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.integers(0, 30), st.booleans()), max_size=60)
)
def test_the_bounds_hold_and_the_sums_are_right(taken: list[tuple[str, int, bool]]) -> None:
    shares: Shares[Held] = Shares(per_share=20, in_all=40)
    there: dict[Held, int] = {}
    for share, amount, yields in taken:
        holder, ended = take(shares, share, amount, yields=yields)
        there[holder] = amount
        for one in ended:
            del there[one]
        assert shares.total == sum(there.values()) <= 40
        for name in ("a", "b", "c"):
            assert shares.held_by(name) == sum(n for one, n in there.items() if one.share == name) <= 20
    for holder in there:
        shares.remove(holder)
        shares.remove(holder)
    assert shares.total == 0
