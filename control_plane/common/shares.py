"""Limits of resources that callers hold, per caller and in total, and the choice of who must release one.

A total limit that refuses newcomers would let one caller shut out all others. Here the caller who holds most gives way,
so one with a single connection is served while another holds thousands.
"""

from typing import Generic, Protocol, TypeVar

UNSHARED = ""
"""Share of callers that cannot be told apart, such as all behind a proxy. Only the total limit applies to it."""


class Holder(Protocol):
    """Something that holds an amount: a connection, the body of a request."""

    @property
    def share(self) -> str:
        """Key of the holder's share: from `common.client_network.limit_key`, or `UNSHARED`."""
        ...

    def may_end(self) -> bool:
        """Returns whether it can be ended now without harm to a well-behaved caller."""
        ...


H = TypeVar("H", bound=Holder)


class Shares(Generic[H]):
    """Sums amounts by share. Used in one event loop; independent of what is counted."""

    def __init__(self, *, per_share: int, in_all: int) -> None:
        self._per_share = per_share
        self._in_all = in_all
        self._holders: dict[str, dict[H, int]] = {}
        self._sums: dict[str, int] = {}
        self.total = 0

    def set_amount(self, holder: H, amount: int) -> None:
        """Sets the amount that `holder` holds; a new holder is counted from now on."""
        of_share = self._holders.setdefault(holder.share, {})
        change = amount - of_share.get(holder, 0)
        of_share[holder] = amount
        self._sums[holder.share] = self._sums.get(holder.share, 0) + change
        self.total += change

    def remove(self, holder: H) -> None:
        """Stops counting `holder`; idempotent."""
        of_share = self._holders.get(holder.share, {})
        if holder not in of_share:
            return
        amount = of_share.pop(holder)
        self.total -= amount
        self._sums[holder.share] -= amount
        if not of_share:
            del self._holders[holder.share], self._sums[holder.share]

    def held_by(self, share: str) -> int:
        """Returns the sum of one share."""
        return self._sums.get(share, 0)

    def surplus(self, holder: H) -> H | None:
        """Returns the holder that must end to meet the limits; `holder` itself if no other can; None if they are met.

        The caller ends and removes it, then asks again, because one may not be enough. The oldest of a share ends first.
        """
        if holder.share != UNSHARED and self.held_by(holder.share) > self._per_share:
            return self._oldest(holder.share) or holder
        if self.total <= self._in_all:
            return None
        heaviest = max(self._sums, key=self._sums.__getitem__)
        return self._oldest(heaviest) or holder

    def _oldest(self, share: str) -> H | None:
        return next((one for one in self._holders[share] if one.may_end()), None)
