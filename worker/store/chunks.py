"""Chunks: claimed by lease and epoch, recorded with fencing, and released.

A claim gives a worker the right to write about a chunk until the lease ends. Every write carries
the epoch and is refused when somebody else has claimed the chunk since (law 8). All times are the
database's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from worker.errors import LeaseLost, VaultError
from worker.model import FINAL, AccountStatus, CampaignState, ChunkState
from worker.rules import check_edit
from worker.store.accounts import Accounts
from worker.store.chains import Head, note_chunk
from worker.store.database import Database
from worker.store.image_keys import ImageKeys
from worker.store.priors import read_earlier, read_priors
from worker.store.rows import EDIT_COLUMNS, account_of, campaign_of, earlier_of, edit_of, run_of
from worker.store.sealing import Images
from worker.store.settling import left_over, settle
from worker.store.steps import sealed, write_calls, write_steps
from worker.store.tables import HELD_UNTIL, campaigns
from worker.store.values import (
    Account,
    CallRow,
    Campaign,
    Claim,
    Edit,
    Note,
    Released,
    Standing,
    Step,
)

#: After so many rescues a chunk is taken apart to find the edit that kills its workers (law 8).
MAX_RESCUES = 3
#: From so many deaths on a chunk is a suspect: one is ordinary life, where workers are stopped.
SUSPECT = 2

#: how many workers have died over a chunk, as whoever claims it finds it
_DEATHS = "(rescues + CASE WHEN state = 'running' THEN 1 ELSE 0 END)"
_HELD = "id = :id AND epoch = :epoch AND lease_owner = :owner AND state = 'running'"

_STATE, _PRIOR = EDIT_COLUMNS.index("state"), EDIT_COLUMNS.index("prior_target")

_PROOF = "k.account = :account AND k.state = 'verifying'"

#: Chunks that share another one's read of the whole window: what a run holds in memory is bounded.
COMPANY = 4

#: Chunks that one worker takes to read back: what it holds in memory has a bound (law 11).
MOST_PROOFS = 50


class Chunks:
    """Every statement on the path of a chunk."""

    def __init__(self, database: Database, keys: ImageKeys) -> None:
        self._database = database
        self._keys = keys
        self._accounts = Accounts(database)

    # ------------------------------------------------------------ claim

    def claim(
        self, chunk_id: str, *, owner: str, lease_s: float, suspects: bool = True
    ) -> Claim | None:
        """Lease a chunk that waits or whose lease ran out; None when there is nothing to claim.

        `suspects` False leaves those alone on which more than one worker has died. Raises
        VaultError when the account's images do not open; nothing is leased or counted then.
        """
        where = self._claimable if suspects else f"{self._claimable} AND {_DEATHS} < {SUSPECT}"
        claims = self._lease(where, {"id": chunk_id}, owner=owner, lease_s=lease_s)
        return claims[0] if claims else None

    def is_suspect(self, chunk_id: str) -> bool:
        """Tell whether a chunk may be claimed, and workers have died on it more than once."""
        return self._is_any(f"{self._claimable} AND {_DEATHS} >= {SUSPECT}", {"id": chunk_id})

    def put_off(self, chunk_id: str, *, seconds: float) -> None:
        """Have a chunk that may be claimed come back later, if nobody has claimed it meanwhile."""
        self._put_off(self._claimable, {"id": chunk_id, "wait": seconds})

    @property
    def _claimable(self) -> str:
        now = self._database.now_sql
        return (
            f"id = :id AND rescues < {MAX_RESCUES}"
            f" AND ((state = 'pending' AND (retry_at IS NULL OR retry_at <= {now}))"
            f" OR (state = 'running' AND lease_until < {now}))"
        )

    def claim_company(self, chunk_id: str, *, owner: str, lease_s: float) -> list[Claim]:
        """Lease more of an account's chunks that need the whole readable window, as this one does.

        One read serves them all; no more than `COMPANY` of them, in the order of their turns.
        """
        where = (
            "id IN (SELECT k.id FROM chunks k JOIN chunks o ON o.campaign_id = k.campaign_id"
            " AND o.account = k.account WHERE o.id = :id AND k.state = 'pending' AND k.reads_all"
            f" AND k.rescues = 0 AND (k.retry_at IS NULL OR k.retry_at <= {self._database.now_sql})"
            f" ORDER BY k.number LIMIT :most{self._database.skip_locked('k')})"
        )
        values = {"id": chunk_id, "most": COMPANY}
        return self._lease(where, values, owner=owner, lease_s=lease_s)

    def claim_proofs(self, account: str, *, owner: str, lease_s: float) -> list[Claim]:
        """Lease an account's chunks that wait to be read back: one read may prove them all.

        Those that have waited longest come first, and no more than `MOST_PROOFS` of them. Not those
        on which workers have died: the next death would be counted against all of them.
        """
        where = self._provable(f"{_PROOF} AND k.rescues = 0", most=MOST_PROOFS)
        return self._lease(where, {"account": account}, owner=owner, lease_s=lease_s)

    def claim_suspect_proof(self, account: str, *, owner: str, lease_s: float) -> list[Claim]:
        """Lease one of an account's chunks that are due, and whose read-back workers have died on.

        Only once it is due: its read proves no other, so that nothing is saved by coming sooner.
        """
        where = self._provable(self._suspect_proof, most=1)
        return self._lease(where, {"account": account}, owner=owner, lease_s=lease_s)

    def has_suspect_proof(self, account: str) -> bool:
        """Tell whether an account has any of those."""
        return self._is_any(self._suspect_proof, {"account": account})

    def put_off_proofs(self, account: str, *, seconds: float) -> None:
        """Have those come back later, unless somebody has claimed them meanwhile."""
        self._put_off(self._suspect_proof, {"account": account, "wait": seconds})

    @property
    def _suspect_proof(self) -> str:
        return (
            f"{_PROOF} AND k.rescues > 0 AND k.rescues < {MAX_RESCUES}"
            f" AND k.retry_at <= {self._database.now_sql}"
        )

    def _is_any(self, which: str, values: dict[str, Any]) -> bool:
        sql = text(f"SELECT 1 FROM chunks AS k WHERE {which} LIMIT 1")
        with self._database.read() as connection:
            return connection.execute(sql, values).first() is not None

    def _put_off(self, which: str, values: dict[str, Any]) -> None:
        """Have chunks that nobody holds come back after `wait` seconds."""
        later = self._database.later_sql("wait")
        sql = text(
            "UPDATE chunks AS k SET dispatched_at = NULL,"
            f" retry_at = CASE state WHEN 'running' THEN retry_at ELSE {later} END,"
            f" lease_until = CASE state WHEN 'running' THEN {later} END WHERE {which}"
        )
        self._database.run(lambda connection: connection.execute(sql, values).rowcount)

    def _provable(self, which: str, *, most: int) -> str:
        return (
            f"id IN (SELECT k.id FROM chunks k WHERE {which} ORDER BY k.retry_at, k.id"
            f" LIMIT {most}{self._database.skip_locked('k')})"
        )

    def _lease(
        self, where: str, values: dict[str, Any], *, owner: str, lease_s: float
    ) -> list[Claim]:
        sql = (
            f"UPDATE chunks SET rescues = {_DEATHS},"
            " state = 'running', lease_owner = :owner,"
            f" lease_until = {self._database.later_sql('lease')}, epoch = epoch + 1,"
            f" retry_at = NULL WHERE {where}"
            " RETURNING id, campaign_id, account, epoch, proofs, rescues, reads_all"
        )

        def work(connection: Connection) -> list[Claim]:
            asked = values | {"owner": owner, "lease": lease_s}
            rows = connection.execute(text(sql), asked).all()
            return self._claims(connection, rows, owner=owner)

        return self._database.run(work)

    def _claims(self, connection: Connection, rows: Sequence[Any], *, owner: str) -> list[Claim]:
        """Read what the leased chunks need: campaigns and accounts once, however many chunks."""
        started = {row.campaign_id: self._started(connection, row.campaign_id) for row in rows}
        accounts = {row.account: self._account(connection, row.account) for row in rows}
        claims = [
            self._claim(
                connection, row, campaign=started[row.campaign_id], account=accounts[row.account],
                owner=owner,
            )
            for row in rows
        ]  # fmt: skip
        return sorted(claims, key=lambda claim: (len(claim.chunk_id), claim.chunk_id))

    def _claim(
        self,
        connection: Connection,
        row: Any,
        *,
        campaign: Campaign,
        account: tuple[Account, bytes | None],
        owner: str,
    ) -> Claim:
        known, account_key = account
        images = self._keys.images(
            campaign_id=campaign.id, campaign_key=campaign.image_key, account_key=account_key
        )
        return Claim(
            chunk_id=row.id,
            campaign=campaign,
            account=known,
            epoch=row.epoch,
            owner=owner,
            proofs=row.proofs,
            rescues=row.rescues,
            reads_all=bool(row.reads_all),
            edits=self._open_edits(connection, row.id, images=images, account_key=account_key),
            images=images,
        )

    def _started(self, connection: Connection, campaign_id: str) -> Campaign:
        query = campaigns.select().where(campaigns.c.id == campaign_id)
        row = connection.execute(query).one()
        if row.started_at is None:
            sql = f"UPDATE campaigns SET started_at = {self._database.now_sql}"
            # Planning is no beginning: somebody may take a day to approve.
            where = "id = :id AND started_at IS NULL AND state <> 'planning'"
            connection.execute(text(f"{sql} WHERE {where}"), {"id": campaign_id})
            row = connection.execute(query).one()
        return campaign_of(row)

    def _account(self, connection: Connection, sub: str) -> tuple[Account, bytes | None]:
        """Return an account with the key of its images, which is made when there is none."""
        sealed = "(SELECT i.sealed FROM image_keys i WHERE i.account = a.sub) AS image_key"
        sql = f"SELECT {self._accounts.columns}, {sealed} FROM accounts a WHERE a.sub = :sub"
        row = connection.execute(text(sql), {"sub": sub}).first()
        if row is None:
            forgotten = Account(sub=sub, status=AccountStatus.LOST, reason="forgotten")
            try:
                return forgotten, self._keys.take(connection, sub)
            except VaultError:
                return forgotten, None  # its edits end all the same: nothing else ever would
        return account_of(row), self._keys.take(connection, sub, known=row.image_key)

    def _open_edits(
        self, connection: Connection, chunk_id: str, *, images: Images, account_key: bytes | None
    ) -> tuple[Edit, ...]:
        age = self._database.age_sql
        sql = text(
            f"SELECT {', '.join(EDIT_COLUMNS)}, {age('sent_at')}, {age('accepted_at')}"
            " FROM edits WHERE chunk_id = :id ORDER BY line_no"
        )
        rows = connection.execute(sql, {"id": chunk_id}).all()
        # The states are looked at here: asked for them, PostgreSQL goes through all open edits of
        # all campaigns as long as it has no statistics (64 x slower after 100,000 new lines).
        still = [row for row in rows if row[_STATE] not in FINAL]
        priors = read_priors(
            self._database,
            connection,
            {row[_PRIOR] for row in still if row[_PRIOR]},
            keys=self._keys,
            account_key=account_key,
        )
        # Only rows of an undo or a retry name one; most patches need not be looked into.
        named = {name for row in still if (name := earlier_of(row))}
        earlier = read_earlier(
            self._database, connection, named, keys=self._keys, account_key=account_key
        )
        return tuple(edit_of(row, images, priors, earlier) for row in still)

    # ------------------------------------------------------------ record

    def record(
        self,
        claim: Claim,
        steps: Sequence[Step],
        *,
        lease_s: float,
        notes: Sequence[Note] = (),
        calls: Sequence[CallRow] = (),
    ) -> Standing:
        """Write steps, audit entries and calls in one transaction, and renew the lease by it.

        Returns what the campaign asks now, which counts before each write that leaves the house.
        At most one step per edit; one to the same open state only stores what was learnt (one more
        attempt). Raises LeaseLost when the chunk has been claimed by somebody else, WrongTransition
        when an edit is not where a step says it was; nothing is written then. Recording the very
        same steps again changes nothing, so that a commit whose answer was lost may be repeated.
        """
        for step in steps:
            if step.was is not step.state or step.state in FINAL:
                check_edit(step.was, step.state)

        images = sealed(claim, steps)  # before the transaction: nobody waits for it there

        def work(connection: Connection) -> Standing:
            head, standing = self._fence(connection, claim, lease_s=lease_s)
            if write_steps(self._database, connection, claim=claim, steps=steps, images=images):
                note_chunk(
                    self._database, connection, notes=notes, chunk_id=claim.chunk_id,
                    campaign_id=claim.campaign.id, head=head,
                )  # fmt: skip
                write_calls(self._database, connection, calls=calls, campaign_id=claim.campaign.id)
            return standing

        return self._database.run(work)

    def renew(self, claim: Claim, *, lease_s: float) -> Standing:
        """Keep the lease; returns what the campaign asks now. Raises LeaseLost."""
        _, standing = self._database.run(
            lambda connection: self._fence(connection, claim, lease_s=lease_s)
        )
        return standing

    def _fence(
        self, connection: Connection, claim: Claim, *, lease_s: float
    ) -> tuple[Head, Standing]:
        """Hold the chunk's row until the transaction ends; returns where its chain ends."""
        until = self._database.later_sql("lease")
        row = connection.execute(
            text(
                f"UPDATE chunks SET lease_until = {until} WHERE {_HELD}"
                " RETURNING audit_seq, audit_head,"
                " (SELECT c.state FROM campaigns c WHERE c.id = campaign_id) AS campaign_state,"
                " (SELECT c.run FROM campaigns c WHERE c.id = campaign_id) AS campaign_run"
            ),
            _holding(claim) | {"lease": lease_s},
        ).first()
        if row is None:
            raise _lost(claim)
        head = Head(seq=row.audit_seq, digest=row.audit_head)
        return head, Standing(CampaignState(row.campaign_state), run_of(row.campaign_run))

    # ------------------------------------------------------------ release

    def release(
        self,
        claim: Claim,
        *,
        retry_in_s: float = 0.0,
        verify_in_s: float = 0.0,
        proofs: int | None = None,
        rescued: bool = False,
        keeps_rescues: bool = False,
        is_planned: bool = False,
        calls: Sequence[CallRow] = (),
    ) -> Released:
        """Let go of a chunk: it becomes what its edits say, and its campaign may end by it.

        `is_planned` says that all of its open edits have their targets, while its campaign plans:
        it is held until somebody approves them.
        `rescued` says that the run died rather than ended, which counts towards poison;
        `keeps_rescues` that it proved nothing either way. Raises LeaseLost.
        """
        values = _holding(claim) | {
            "retry": retry_in_s,
            "verify": verify_in_s,
            "proofs": proofs,
            "rescues": claim.rescues + rescued if rescued or keeps_rescues else 0,
            "held": "yes" if is_planned else "no",
        }

        def work(connection: Connection) -> Released:
            row = connection.execute(text(self._release_sql()), values).first()
            if row is None:
                raise _lost(claim)
            write_calls(self._database, connection, calls=calls, campaign_id=claim.campaign.id)
            settle(self._database, connection, campaign_id=claim.campaign.id)
            return Released(state=ChunkState(row.state), campaign_id=claim.campaign.id)

        return self._database.run(work)

    def _release_sql(self) -> str:
        retry, verify = self._database.later_sql("retry"), self._database.later_sql("verify")
        far = HELD_UNTIL if self._database.is_sqlite else f"CAST({HELD_UNTIL} AS timestamptz)"
        held = (
            "CASE WHEN :held = 'yes' AND (SELECT c.state FROM campaigns c"
            f" WHERE c.id = campaign_id) = 'planning' THEN {far} ELSE {retry} END"
        )
        return f"""
UPDATE chunks SET
  state = CASE work.left_over WHEN 2 THEN 'pending' WHEN 1 THEN 'verifying' ELSE 'done' END,
  retry_at = CASE work.left_over WHEN 2 THEN {held} WHEN 1 THEN {verify} END,
  lease_owner = NULL, lease_until = NULL, dispatched_at = NULL,
  rescues = :rescues, proofs = coalesce(:proofs, proofs)
FROM (SELECT {left_over(":id")} AS left_over) AS work
WHERE {_HELD} RETURNING state
"""


def _holding(claim: Claim) -> dict[str, Any]:
    return {"id": claim.chunk_id, "epoch": claim.epoch, "owner": claim.owner}


def _lost(claim: Claim) -> LeaseLost:
    return LeaseLost(f"Chunk {claim.chunk_id} has been claimed by another worker")
