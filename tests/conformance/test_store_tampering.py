"""Whatever somebody who owns the database does to the audit, `verify` names the first bad row.

All of it on both databases, by a person who has dropped the triggers first (faults B37, C22).
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from tests.conformance.stores import KEYRING, S, a_row, an_account, run_to, some_rows, submit
from tests.conformance.test_store_audit import drop_triggers, tamper
from worker.errors import StoreUnavailable
from worker.model import AccountStatus
from worker.store import Break, Kept, Note, Store
from worker.store.audit import _entry
from worker.store.chains import entry_digest
from worker.store.settling import digest_of_heads
from worker.store.tables import audit

pytestmark = pytest.mark.row(37)

CHAINS = ("c-june.1", "c-june", "account:acc_1")


@pytest.fixture
def told(store: Store) -> Store:
    """A store with chains of all kinds: two campaigns that have ended, and an account's story."""
    store.accounts.import_all([an_account()], actor="ada")
    submit(store, some_rows(4), chunk_size=2)
    run_to(store, "c-june.1", S.VERIFIED)
    run_to(store, "c-june.2", S.UNCHANGED)
    submit(store, [a_row(2, event_uid="other", duplicate=True), a_row(3)], key="july")
    run_to(store, "c-july.1", S.FAILED)
    for status in (AccountStatus.PARKED, AccountStatus.ACTIVE, AccountStatus.LOST):
        store.accounts.set_status("acc_1", status, actor="ada")
    store.audit.note("account:acc_1", [Note(actor="ada", action="account.seen")])
    assert store.audit.verify()[1] == []
    return store


def first(store: Store) -> Break:
    """Return the first break that is told."""
    breaks = store.audit.verify()[1]
    assert breaks, "nothing was noticed"
    return breaks[0]


def chain_of(store: Store, chain: str) -> list[Any]:
    """Return a chain's rows."""
    with store.database.read() as connection:
        query = audit.select().where(audit.c.chain == chain).order_by(audit.c.seq)
        return list(connection.execute(query))


# ---------------------------------------------------------------- one row


@pytest.mark.parametrize("chain", ["c-june.1", "account:acc_1"])
@pytest.mark.parametrize(
    "change",
    [
        "campaign_id = 'c-other'",
        "line_no = 77",
        "at = '2020-01-01 00:00:00.000000'",
        "actor = 'nobody'",
        "action = 'edit.skipped'",
        "code = 'x'",
        "detail = '[]'",
        "digest = 'abc'",
    ],
)
def test_a_changed_row_is_named(told: Store, chain: str, change: str) -> None:
    """Each of its columns is sealed."""
    tamper(told, f"UPDATE audit SET {change} WHERE chain = '{chain}' AND seq = 3")
    assert first(told) == Break(chain=chain, seq=3, why="has been changed")


@pytest.mark.parametrize("chain", ["c-june.1", "account:acc_1"])
@pytest.mark.parametrize(
    ("change", "place", "why"),
    [
        ("prev = 'abc'", 3, "does not continue the entry before it"),
        ("seq = 99", 3, "an entry is missing"),
        ("id = -5", 3, "does not stand where it was written"),
    ],
)
def test_a_row_put_elsewhere_is_named(
    told: Store, chain: str, change: str, place: int, why: str
) -> None:
    """Its links and its place are checked as well as its words."""
    tamper(told, f"UPDATE audit SET {change} WHERE chain = '{chain}' AND seq = 3")
    assert first(told) == Break(chain=chain, seq=place, why=why)


@pytest.mark.parametrize("chain", ["c-june.1", "account:acc_1"])
def test_a_row_moved_to_another_chain_is_missed_and_found(told: Store, chain: str) -> None:
    """Once where it was, once where it is."""
    tamper(told, f"UPDATE audit SET chain = 'zzz', seq = 1 WHERE chain = '{chain}' AND seq = 3")
    found = told.audit.verify()[1]
    assert Break(chain=chain, seq=3, why="an entry is missing") in found
    assert Break(chain="zzz", seq=1, why="is of nothing that calpatch knows") in found


@pytest.mark.parametrize(("chain", "seq"), [("c-june.1", 3), ("account:acc_1", 2), ("c-june", 1)])
def test_a_removed_row_is_named(told: Store, chain: str, seq: int) -> None:
    """The one after it does not follow."""
    tamper(told, f"DELETE FROM audit WHERE chain = '{chain}' AND seq = {seq}")
    assert first(told) == Break(chain=chain, seq=seq, why="an entry is missing")


@pytest.mark.parametrize("chain", ["c-june.1", "account:acc_1"])
def test_two_rows_that_changed_places_are_named(told: Store, chain: str) -> None:
    """Each says where it stands."""
    for old, new in ((2, 1002), (3, 2), (1002, 3)):
        tamper(told, f"UPDATE audit SET seq = {new} WHERE chain = '{chain}' AND seq = {old}")
    assert (first(told).chain, first(told).seq) == (chain, 2)


@pytest.mark.parametrize("chain", ["c-june.1", "account:acc_1"])
def test_two_rows_with_their_contents_exchanged_are_named(told: Store, chain: str) -> None:
    """The same, the other way round: the places stay and the words change."""
    columns = ("line_no", "at", "actor", "action", "code", "detail", "prev", "digest")
    _, second, third, *_ = chain_of(told, chain)
    for seq, row in ((2, third), (3, second)):
        values = {name: getattr(row, name) for name in columns}
        statement = audit.update().where(audit.c.chain == chain, audit.c.seq == seq)
        drop_triggers(told)
        with told.database.begin() as connection:
            connection.execute(statement.values(**values))
    assert (first(told).chain, first(told).seq) == (chain, 2)


# ---------------------------------------------------------------- ends


@pytest.mark.parametrize("chain", CHAINS)
def test_a_cut_tail_is_named(told: Store, chain: str) -> None:
    """What is left hangs together; the head is kept elsewhere, an account's as well."""
    last = len(chain_of(told, chain))
    tamper(told, f"DELETE FROM audit WHERE chain = '{chain}' AND seq = {last}")
    why = "the end has been cut off"
    assert Break(chain=chain, seq=last, why=why) in told.audit.verify()[1]


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_that_is_gone_is_named(told: Store, chain: str) -> None:
    """However little is left to be wrong."""
    tamper(told, f"DELETE FROM audit WHERE chain = '{chain}'")
    why = "the whole chain is missing"
    assert Break(chain=chain, seq=1, why=why) in told.audit.verify()[1]


def forged(store: Store, chain: str) -> Any:
    """Return an entry that continues a chain as calpatch would, digests and all."""
    last = _entry(chain_of(store, chain)[-1])
    entry = msgspec.structs.replace(last, seq=last.seq + 1, actor="nobody", prev=last.digest)
    return msgspec.structs.replace(entry, digest=entry_digest(entry))


def insert(store: Store, entry: Any) -> None:
    """Append a row by hand."""
    with store.database.begin() as connection:
        connection.execute(audit.insert().values(**msgspec.structs.asdict(entry)))


@pytest.mark.parametrize("chain", CHAINS)
def test_a_row_appended_by_hand_is_named(told: Store, chain: str) -> None:
    """Even one with all digests right: the head does not know it."""
    entry = forged(told, chain)
    insert(told, entry)
    why = "goes on after its end"
    assert first(told) == Break(chain=chain, seq=entry.seq, why=why)


def test_a_chain_made_up_by_hand_is_named(told: Store) -> None:
    """It is no campaign's, no chunk's, and no account's that calpatch has written of."""
    entry = msgspec.structs.replace(
        forged(told, "account:acc_1"), chain="account:x", seq=1, prev=""
    )
    insert(told, msgspec.structs.replace(entry, digest=entry_digest(entry)))
    assert first(told) == Break(chain="account:x", seq=1, why="is of nothing that calpatch knows")


@pytest.mark.parametrize(("seq", "where"), [(4, 5), (99, 7), (6, 6)])
def test_a_chunks_head_changed_by_hand_is_named(told: Store, seq: int, where: int) -> None:
    """Shorter, longer, or with another digest than its last entry."""
    with told.database.begin() as connection:
        sql = "UPDATE chunks SET audit_seq = :seq, audit_head = 'abc' WHERE id = 'c-june.1'"
        connection.execute(text(sql), {"seq": seq})
    found = told.audit.verify()[1]
    assert (found[0].chain, found[0].seq) == ("c-june.1", where)
    assert found[1].chain == "c-june"  # whose end bound another head


def test_an_accounts_head_changed_by_hand_is_named(told: Store) -> None:
    """The table of heads is no more to be trusted than the rest."""
    with told.database.begin() as connection:
        sql = "UPDATE chain_heads SET head = 'abc' WHERE chain = 'account:acc_1'"
        connection.execute(text(sql))
    assert first(told) == Break(chain="account:acc_1", seq=4, why="does not end as recorded")


def test_an_accounts_tail_cut_with_its_head_is_named(told: Store) -> None:
    """A chain that calpatch writes has a head; without one it is nobody's."""
    tamper(told, "DELETE FROM audit WHERE chain = 'account:acc_1' AND seq > 2")
    with told.database.begin() as connection:
        connection.execute(text("DELETE FROM chain_heads WHERE chain = 'account:acc_1'"))
    why = "is of nothing that calpatch knows"
    assert first(told) == Break(chain="account:acc_1", seq=1, why=why)


@pytest.mark.parametrize("deed", ["cut", "appended", "replaced"])
def test_what_calpatch_writes_afterwards_hides_nothing(told: Store, deed: str) -> None:
    """Work goes on behind a damaged end, and the place is told for ever."""
    chain = "account:acc_1"
    if deed == "appended":
        insert(told, forged(told, chain))
    else:
        tamper(told, f"DELETE FROM audit WHERE chain = '{chain}' AND seq = 4")
    if deed == "replaced":
        insert(told, forged(told, chain))
    for _ in range(2):
        told.audit.note(chain, [Note(actor="ada", action="account.seen")])
    place = {"cut": 4, "appended": 5, "replaced": 4}[deed]
    found = told.audit.verify()[1]
    assert [(each.chain, each.seq) for each in found] == [(chain, place)]
    assert "changed by hand" in found[0].why


# ---------------------------------------------------------------- rewritten as a whole


def kept_of(store: Store, campaign_id: str) -> Kept:
    """Return what a results folder keeps."""
    campaign = store.campaigns.get(campaign_id)
    assert campaign is not None
    return Kept(
        campaign=campaign_id,
        audit_head=campaign.audit_head,
        chunk_heads=store.audit.chunk_heads(campaign_id),
    )


def rewrite(store: Store, campaign_id: str) -> None:
    """Write a campaign's story anew, with all digests and heads right again."""
    ids = [f"{campaign_id}.{number}" for number in range(1, 3)]
    drop_triggers(store)
    with store.database.begin() as connection:
        for chain in ids:
            _rewrite(connection, chain, store, table="chunks")
        bound = digest_of_heads(connection, campaign_id)
        _rewrite(connection, campaign_id, store, table="campaigns", bound=bound)


def _rewrite(connection: Any, chain: str, store: Store, *, table: str, bound: str = "") -> None:
    prev = ""
    for row in chain_of(store, chain):
        entry = msgspec.structs.replace(_entry(row), actor="nobody", prev=prev)
        if "chunk_heads" in entry.detail:
            detail = msgspec.json.decode(entry.detail) | {"chunk_heads": bound}
            entry = msgspec.structs.replace(entry, detail=msgspec.json.encode(detail).decode())
        prev = entry_digest(entry)
        values = {"actor": "nobody", "prev": entry.prev, "digest": prev, "detail": entry.detail}
        connection.execute(audit.update().where(audit.c.id == row.id).values(**values))
    sql = f"UPDATE {table} SET audit_head = :head WHERE id = :id"
    connection.execute(text(sql), {"head": prev, "id": chain})


def test_a_database_written_anew_is_found_by_what_was_kept_elsewhere(told: Store) -> None:
    """By itself it is flawless; the summary of the results knows another head."""
    kept = [kept_of(told, "c-june"), kept_of(told, "c-july")]
    assert told.audit.verify(against=kept)[1] == []
    rewrite(told, "c-june")
    assert told.audit.verify()[1] == []
    found = told.audit.verify(against=kept)[1]
    assert {(each.chain, each.seq) for each in found} == {("c-june", 1)}
    assert [("chunks" in each.why) for each in found] == [False, True]


def test_a_campaign_that_is_gone_as_a_whole_is_found_as_well(told: Store) -> None:
    """Its rows, its chunks, its entries: nothing of it is left to be wrong."""
    kept = kept_of(told, "c-june")
    tamper(told, "DELETE FROM audit WHERE chain LIKE 'c-june%'")
    with told.database.begin() as connection:
        connection.execute(text("DELETE FROM chunks WHERE campaign_id = 'c-june'"))
        connection.execute(text("DELETE FROM campaigns WHERE id = 'c-june'"))
    assert told.audit.verify()[1] == []
    assert {each.chain for each in told.audit.verify(against=[kept])[1]} == {"c-june"}


def test_what_was_kept_of_a_campaign_under_way_holds_later(store: Store) -> None:
    """A partial export is written from a chain that grows afterwards."""
    submit(store, some_rows(2))
    early = kept_of(store, "c-june")
    assert early.chunk_heads == ""
    run_to(store, "c-june.1", S.VERIFIED)
    late = kept_of(store, "c-june")
    assert late.chunk_heads == digest_by_hand(store, "c-june.1")
    assert store.audit.verify(against=[early, late])[1] == []


def digest_by_hand(store: Store, chunk_id: str) -> str:
    """Return the digest over one chunk's head, as DESIGN §5 has it."""
    head = chain_of(store, chunk_id)[-1].digest
    return hashlib.sha256(f"{chunk_id}={head}\n".encode()).hexdigest()


# ---------------------------------------------------------------- databases of before


def test_chains_of_before_get_their_heads_once(told: Store) -> None:
    """`calpatch migrate` keeps them, and does not take for right what was changed since."""
    with told.database.begin() as connection:
        connection.execute(text("DELETE FROM chain_heads"))
    assert told.audit.verify()[1] == []
    assert told.audit.keep_heads()
    assert told.audit.verify()[1] == []
    assert not told.audit.keep_heads()
    tamper(told, "DELETE FROM audit WHERE chain = 'account:acc_1' AND seq = 4")
    assert not told.audit.keep_heads()
    why = "the end has been cut off"
    assert told.audit.verify()[1] == [Break(chain="account:acc_1", seq=4, why=why)]


def test_beside_older_workers_named_chains_have_no_heads(told: Store) -> None:
    """They write there and keep none: their entries are no forgeries, now or afterwards."""
    older = Store(told.database, keyring=KEYRING, seals=False)
    insert(older, forged(older, "account:acc_1"))  # as a worker of 0003 would
    assert older.audit.verify()[1] == []
    older.audit.note("account:acc_1", [Note(actor="new", action="account.seen")])
    insert(older, forged(older, "account:acc_1"))
    assert not older.audit.keep_heads()
    newer = Store(told.database, keyring=KEYRING)
    assert newer.audit.verify()[1] == []
    newer.audit.note("account:acc_1", [Note(actor="new", action="account.seen")])
    assert newer.audit.keep_heads()
    assert newer.audit.verify()[1] == []


def test_the_triggers_stand_whoever_asks(told: Store) -> None:
    """Through the store and its connections, no row of the audit changes."""
    statements = ["UPDATE audit SET code = ''", "DELETE FROM audit WHERE id > 0"]
    if not told.database.is_sqlite:
        statements.append("TRUNCATE audit CASCADE")
    for sql in statements:
        with pytest.raises(StoreUnavailable), told.database.begin() as connection:
            connection.execute(text(sql))
    assert told.audit.verify()[1] == []
