"""What waits for its turn, as the relay asks: what is out already, and what each campaign offers.

Each statement looks at no more rows than it gives back, plus those of accounts that must yield:
neither grows with the number of chunks that wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

from sqlalchemy import Connection, String, bindparam, text

from worker.model import ENDED, CampaignState
from worker.rules import ACCOUNT_CHUNKS, BATCHES_AT_ONCE, MAX_BATCH, Candidate
from worker.store.chunks import MAX_RESCUES
from worker.store.database import Database
from worker.store.tables import HELD_UNTIL

#: Rows that a turn looks at to find chunks of accounts that need not yield (measured: 5 ms).
MOST_LOOKED_AT = 10_000
#: The same for accounts to be read back, which are grouped.
MOST_PROOFS_LOOKED_AT = 500
#: How long an account's read-back waits for the chunks that it still sends, in seconds: one sweep
#: proves them all then.
WAIT_FOR_OTHERS_S = 30.0

#: Campaigns whose chunks are run, to be planned or carried out; all that have not ended are read
#: back.
SENDING = "('planning', 'running', 'verifying', 'cancelling')"
_OPEN = "({})".format(", ".join(f"'{one}'" for one in CampaignState if one not in ENDED))

_WEIGHT = (
    f"CASE WHEN k.size > {MAX_BATCH * (BATCHES_AT_ONCE - 1)} THEN {BATCHES_AT_ONCE}"
    f" ELSE (k.size + {MAX_BATCH - 1}) / {MAX_BATCH} END"
)
_HEALTHY = f"k.rescues < {MAX_RESCUES}"
#: in the words of the indexes, or SQLite does not use them
_FRESH = "k.state = 'pending' AND k.retry_at IS NULL AND k.dispatched_at IS NULL"
_BACK = "k.state = 'pending' AND k.dispatched_at IS NULL"
_PROVABLE = "k.state = 'verifying' AND k.dispatched_at IS NULL"


@dataclass(slots=True)
class Held:
    """What is out, being worked on or announced lately; and what has been lost."""

    #: by campaign
    weights: Counter[str] = field(default_factory=Counter)
    proofs: Counter[str] = field(default_factory=Counter)
    #: chunks by account, and by campaign and account
    chunks: Counter[str] = field(default_factory=Counter)
    own: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: by campaign and account: a chunk that reads the whole window is out, for the others as well
    reading_all: set[tuple[str, str]] = field(default_factory=set)
    #: accounts that a message has gone out for, to be read back
    accounts: set[str] = field(default_factory=set)
    #: by campaign: what is announced again
    lost: dict[str, list[Candidate]] = field(default_factory=dict)
    lost_proofs: dict[str, list[Candidate]] = field(default_factory=dict)

    def add(self, row: Any) -> None:
        """Take note of an account's chunks in one state."""
        if row.state == "verifying":
            self._add_proof(row)
        elif row.lost_id is not None:
            found = Candidate(row.lost_id, row.account, row.weight)
            self.lost.setdefault(row.campaign_id, []).append(found)
        else:
            # Many chunks of one account are being read back: by one thread, with one call.
            self.weights[row.campaign_id] += min(row.weight, ACCOUNT_CHUNKS * BATCHES_AT_ONCE)
            self.chunks[row.account] += row.chunks
            self.own[row.campaign_id, row.account] += row.chunks
            if row.reads_all:
                self.reading_all.add((row.campaign_id, row.account))

    def _add_proof(self, row: Any) -> None:
        if row.lost_id is not None:
            found = Candidate(row.lost_id, row.account)
            self.lost_proofs.setdefault(row.campaign_id, []).append(found)
        else:
            self.proofs[row.campaign_id] += 1
            self.accounts.add(row.account)

    def must_yield(self, campaign: str, account: str) -> bool:
        """Tell whether an account has enough out; each campaign may have one of its chunks out."""
        return self.chunks[account] >= ACCOUNT_CHUNKS and self.own[campaign, account] > 0

    def yielding(self, campaign: str) -> list[str]:
        """Return the accounts that must yield."""
        full = [account for account, count in self.chunks.items() if count >= ACCOUNT_CHUNKS]
        return [account for account in full if self.own[campaign, account] > 0]

    def admits(self, campaign: str, found: Candidate) -> bool:
        """Count a chunk as out, unless its account must yield."""
        if self.must_yield(campaign, found.account):
            return False
        if found.reads_all and (campaign, found.account) in self.reading_all:
            return False
        if found.reads_all:
            self.reading_all.add((campaign, found.account))
        self.chunks[found.account] += 1
        self.own[campaign, found.account] += 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """A campaign that has not ended, and what kinds of work it offers now."""

    id: str
    lane: str
    sends: bool
    has_fresh: bool
    has_back: bool
    has_proofs: bool


class Waiting:
    """One round of looking, within the relay's transaction."""

    def __init__(
        self, database: Database, connection: Connection, *, resend_after_s: float
    ) -> None:
        self._database = database
        self._connection = connection
        self._stale = -resend_after_s

    def held(self) -> Held:
        """Return what is out. Lost: announced long ago, or leased by a worker that is gone.

        A chunk whose lease ran out is announced once more after that, and then again only when
        that message is stale too.
        """
        now, stale = self._database.now_sql, self._database.later_sql("stale")
        again = f"(k.dispatched_at >= {stale} AND k.dispatched_at >= k.lease_until)"
        gone = f"k.lease_until < {now} AND {_HEALTHY} AND (k.dispatched_at IS NULL OR NOT {again})"
        parts = [("k.state = 'running'", gone)] + [
            (f"k.state = '{state}' AND k.dispatched_at IS NOT NULL", f"k.dispatched_at < {stale}")
            for state in ("pending", "verifying")
        ]
        rows = " UNION ALL ".join(
            "SELECT k.campaign_id, k.account, k.state,"
            f" CASE WHEN {lost} THEN k.id END AS lost_id, {_WEIGHT} AS weight,"
            " CASE WHEN k.reads_all THEN 1 ELSE 0 END AS reads_all"
            f" FROM chunks k WHERE {where}"
            for where, lost in parts
        )
        sql = text(
            "SELECT campaign_id, account, state, lost_id, count(*) AS chunks,"
            " sum(weight) AS weight, max(reads_all) AS reads_all"
            f" FROM ({rows}) AS held GROUP BY campaign_id, account, state, lost_id"
        )
        held = Held()
        for row in self._connection.execute(sql, {"stale": self._stale}):
            held.add(row)
        return held

    def going(self) -> list[Going]:
        """Return the campaigns that have not ended, oldest first.

        What they offer is asked by scalars: PostgreSQL would answer EXISTS by going through all.
        """
        due = f"k.retry_at <= {_once(self._database.now_sql)}"
        sql = text(
            f"SELECT c.id, c.lane, c.state IN {SENDING} AS sends,"
            f" {_first('number', f'{_FRESH} AND {_HEALTHY}')} AS fresh,"
            f" {_first('retry_at', f'{_BACK} AND {due} AND {_HEALTHY}')} AS back,"
            f" {_first('retry_at', f'{_PROVABLE} AND {due}')} AS proofs"
            f" FROM campaigns c WHERE c.state IN {_OPEN} ORDER BY c.submitted_at, c.id"
        )
        return [
            Going(
                id=row.id,
                lane=row.lane,
                sends=bool(row.sends),
                has_fresh=row.fresh is not None,
                has_back=row.back is not None,
                has_proofs=row.proofs is not None,
            )
            for row in self._connection.execute(sql)
        ]

    def chunks_of(self, campaign: Going, held: Held, *, most: int) -> Iterator[Candidate]:
        """Yield the chunks of a campaign in their turn, each counted as out.

        What was lost comes first, then what waits for another try and what is new take turns.
        """
        if not campaign.sends:
            return
        back = self._back(campaign, held, most=most) if campaign.has_back else iter(())
        fresh = self._fresh(campaign, held, most=most) if campaign.has_fresh else iter(())
        for found in held.lost.get(campaign.id, ()):
            held.chunks[found.account] += 1
            held.own[campaign.id, found.account] += 1
            yield found
        for found in chain.from_iterable(zip_longest(back, fresh)):
            if found is not None and held.admits(campaign.id, found):
                yield found

    def _fresh(self, campaign: Going, held: Held, *, most: int) -> Iterator[Candidate]:
        yield from self._found(campaign, held, which=_FRESH, order="number", most=most)

    def _back(self, campaign: Going, held: Held, *, most: int) -> Iterator[Candidate]:
        which = f"{_BACK} AND k.retry_at <= {_once(self._database.now_sql)}"
        yield from self._found(campaign, held, which=which, order="retry_at", most=most)

    def _found(
        self, campaign: Going, held: Held, *, which: str, order: str, most: int
    ) -> Iterator[Candidate]:
        """Yield the first `most` chunks of accounts that need not yield, asked when needed."""
        sql = text(
            f"SELECT id, account, weight, reads_all"
            f" FROM (SELECT k.id, k.account, {_WEIGHT} AS weight, k.reads_all FROM chunks k"
            f" WHERE k.campaign_id = :campaign AND {which} AND {_HEALTHY}"
            f" ORDER BY k.{order} LIMIT {MOST_LOOKED_AT}) AS front"
            " WHERE account NOT IN :yielding LIMIT :most"
        ).bindparams(bindparam("yielding", expanding=True, type_=String()))
        values = {"campaign": campaign.id, "yielding": held.yielding(campaign.id), "most": most}
        for row in self._connection.execute(sql, values).all():
            yield Candidate(row.id, row.account, row.weight, reads_all=bool(row.reads_all))

    def proofs_of(self, campaign: Going, held: Held) -> Iterator[Candidate]:
        """Yield the accounts that are due to be read back, by their oldest chunks.

        One that still sends waits for that, but not for ever.
        """
        lost = held.lost_proofs.get(campaign.id, ())
        due = self._due_proofs(campaign, held) if campaign.has_proofs else ()
        for found in chain(lost, due):
            if found.account not in held.accounts:
                held.accounts.add(found.account)
                yield found

    def _due_proofs(self, campaign: Going, held: Held) -> Iterator[Candidate]:
        now, late = _once(self._database.now_sql), _once(self._database.later_sql("late"))
        oldest = (
            "SELECT k.id, k.account, k.retry_at FROM chunks k WHERE k.campaign_id = :campaign"
            f" AND {_PROVABLE} AND k.retry_at <= {now}"
            f" AND k.account NOT IN :out ORDER BY k.retry_at LIMIT {MOST_PROOFS_LOOKED_AT}"
        )
        sends = (
            "(SELECT 1 FROM chunks o JOIN campaigns c ON c.id = o.campaign_id"
            " WHERE o.account = due.account AND o.state IN ('pending', 'running')"
            f" AND (o.retry_at IS NULL OR o.retry_at < {HELD_UNTIL})"
            f" AND c.state IN {SENDING} AND c.state <> 'planning' LIMIT 1)"
        )
        sql = text(
            f"SELECT id, account FROM ({oldest}) AS due"
            f" WHERE retry_at <= {late} OR {sends} IS NULL ORDER BY retry_at, id"
        ).bindparams(bindparam("out", expanding=True, type_=String()))
        values = {"campaign": campaign.id, "out": sorted(held.accounts), "late": -WAIT_FOR_OTHERS_S}
        for row in self._connection.execute(sql, values).all():
            yield Candidate(row.id, row.account)


def _first(column: str, which: str) -> str:
    return (
        f"(SELECT k.{column} FROM chunks k WHERE k.campaign_id = c.id AND {which}"
        f" ORDER BY k.{column} LIMIT 1)"
    )


def _once(moment: str) -> str:
    """Have a moment told once for a statement: PostgreSQL seeks for no clock that goes on."""
    return f"(SELECT {moment})"
