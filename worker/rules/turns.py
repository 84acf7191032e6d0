"""Who is next when many wait for one thing: people first, then campaigns and accounts in turn.

Turns are fair in weight: of all that wait, the campaign that has had least is next, and within it
the account that has had least; an account's own are served as they came.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

#: campaigns or accounts that wait for nothing now, of which is remembered what they have had
MOST_ABSENT = 256


class Turn(NamedTuple):
    """Whose turn it is; `urgent` means that somebody sits in front of it and waits."""

    urgent: bool = False
    campaign: str = ""
    account: str = ""


#: of one who is nobody in particular
PLAIN_TURN = Turn()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place(Generic[T]):
    """Where one stands in the line: what `add` gives, and `serve` and `drop` take."""

    item: T
    turn: Turn
    weight: int
    #: it has had its turn already, for nothing, and stands before its account's others
    again: bool = False


class FairLine(Generic[T]):
    """A line in which nobody starves within a lane; `urgent` ones go before all others.

    Keeps nothing of those who have left but what the last ones of them have had.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[Turn, bool], OrderedDict[Place[T], None]] = {}
        self._campaigns = {True: _Shares(), False: _Shares()}
        self._accounts: dict[tuple[bool, str], _Shares] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Place[T]]:
        """Yield all places, in no order that means anything."""
        for places in self._places.values():
            yield from places

    def add(self, item: T, *, turn: Turn, weight: int = 1, again: bool = False) -> Place[T]:
        """Put an item into the line; one that comes `again` has had its turn for nothing.

        Then it stands before its account's others, behind those who came again before it.
        """
        place = Place(item=item, turn=turn, weight=weight, again=again)
        self._places.setdefault((turn, again), OrderedDict())[place] = None
        lane, campaign, account = turn
        accounts = self._accounts.setdefault((lane, campaign), _Shares())
        if again:
            accounts.charge(account, -weight)
            self._campaigns[lane].charge(campaign, -weight)
        accounts.enter(account)
        self._campaigns[lane].enter(campaign)
        self._count += 1
        return place

    def first(self) -> Place[T] | None:
        """Return who is next, and stays so until somebody comes or goes; None for nobody."""
        for lane in (True, False):
            if campaigns := self._campaigns[lane]:
                campaign = campaigns.least()
                account = self._accounts[lane, campaign].least()
                turn = Turn(lane, campaign, account)
                return next(iter(self._places.get((turn, True)) or self._places[turn, False]))
        return None

    def owes(self, place: Place[T]) -> bool:
        """Tell whether a campaign that has had less is absent, perhaps for a moment only.

        Those with few at a time are absent whenever they use what they got.
        """
        return self._campaigns[place.turn.urgent].owes(place.turn.campaign)

    def forget_absent(self) -> None:
        """Owe nothing any more to those who have not come back."""
        for campaigns in self._campaigns.values():
            campaigns.forget_absent()

    def serve(self, place: Place[T]) -> None:
        """Take one out because it got what it waited for, which counts for its campaign."""
        lane, campaign, account = place.turn
        if place in self._places.get((place.turn, place.again), ()):
            self._accounts[lane, campaign].charge(account, place.weight)
            self._campaigns[lane].charge(campaign, place.weight)
            self.drop(place)

    def drop(self, place: Place[T]) -> None:
        """Take one out that waits no longer; nothing happens when it is out already."""
        key = (place.turn, place.again)
        places = self._places.get(key)
        if places is None or place not in places:
            return
        del places[place]
        self._count -= 1
        if places:
            return
        del self._places[key]
        if (place.turn, not place.again) in self._places:
            return
        lane, campaign, account = place.turn
        accounts = self._accounts[lane, campaign]
        accounts.leave(account)
        if not accounts:
            self._campaigns[lane].leave(campaign)
            # Its accounts begin again from equal when it comes back: it is the campaign that pays.
            del self._accounts[lane, campaign]


class _Shares:
    """What each name has had, counted from a common start, and which of those waiting had least.

    A name that comes anew starts level with those who wait: it can neither save up turns nor leave
    its debt behind by going away for a moment.
    """

    def __init__(self) -> None:
        #: of each name that waits: what it has had, when that was counted, and the name
        self._entries: dict[str, tuple[int, int, str]] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._absent: OrderedDict[str, int] = OrderedDict()
        #: what everybody who waits has had at least
        self._level = 0
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._entries)

    def enter(self, name: str) -> None:
        if name not in self._entries:
            self._set(name, max(self._level, self._absent.pop(name, 0)))

    def leave(self, name: str) -> None:
        self._absent[name] = self._entries.pop(name)[0]
        if len(self._absent) > MOST_ABSENT:
            self._absent.popitem(last=False)

    def owes(self, name: str) -> bool:
        had = self._entries[name][0]
        return any(less < had for less in self._absent.values())

    def forget_absent(self) -> None:
        """Forget those who could claim something; debts stay."""
        for name in [name for name, had in self._absent.items() if had <= self._level]:
            del self._absent[name]

    def charge(self, name: str, weight: int) -> None:
        """Count what a name has had; below zero gives back what it had for nothing."""
        if name in self._entries:
            if weight > 0:
                self._level = max(self._level, self._entries[self.least()][0])
            self._set(name, self._entries[name][0] + weight)
        elif name in self._absent:
            self._absent[name] += weight

    def least(self) -> str:
        """Return who has had least; of equals the one that was counted first."""
        while self._entries.get(self._heap[0][2]) != self._heap[0]:
            heapq.heappop(self._heap)
        return self._heap[0][2]

    def _set(self, name: str, had: int) -> None:
        self._count += 1
        self._entries[name] = entry = (had, self._count, name)
        heapq.heappush(self._heap, entry)
        # What is out of date leaves when it comes to the top; a crowd of it leaves at once.
        if len(self._heap) > 2 * len(self._entries) + 16:
            self._heap = sorted(self._entries.values())
