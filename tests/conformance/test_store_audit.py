"""The audit is append-only, chained, and tells on whoever tampers with it (law 10, faults 37)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conformance.stores import S, a_row, bring, claim, execute, run_to, some_rows, submit
from worker.errors import StoreUnavailable
from worker.store import Break, Note, Store
from worker.store.chains import entry_digest


@pytest.fixture
def told(store: Store) -> Store:
    """A store with two campaigns that have ended, one of two chunks."""
    submit(store, some_rows(4), chunk_size=2)
    run_to(store, "c-june.1", S.VERIFIED)
    run_to(store, "c-june.2", S.UNCHANGED)
    submit(store, [a_row(2, event_uid="other")], key="july")
    run_to(store, "c-july.1", S.FAILED)
    assert store.audit.verify()[1] == []
    return store


def drop_triggers(store: Store) -> None:
    """Do as somebody could who owns the database."""
    names = {
        True: ("audit_no_update", "audit_no_delete", "audit_no_replace"),
        False: ("audit_no_change ON audit", "audit_no_truncate ON audit"),
    }[store.database.is_sqlite]
    with store.database.begin() as connection:
        for name in names:
            connection.execute(text(f"DROP TRIGGER IF EXISTS {name}"))


def tamper(store: Store, sql: str) -> None:
    """Change the audit, without its triggers."""
    drop_triggers(store)
    with store.database.begin() as connection:
        assert connection.execute(text(sql)).rowcount


# ---------------------------------------------------------------- append-only


@pytest.mark.parametrize(
    "sql", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"]
)
def test_the_database_itself_refuses_to_change_the_audit(told: Store, sql: str) -> None:
    """Not our code's good will, but a trigger."""
    if told.database.is_sqlite and sql.startswith("TRUNCATE"):
        sql = "DELETE FROM audit WHERE 1"  # what SQLite has instead
    before = told.audit.verify()
    with pytest.raises(DBAPIError, match="append-only"), told.database.engine.begin() as raw:
        raw.execute(text(sql))
    with pytest.raises(StoreUnavailable):
        execute(told, sql)
    assert told.audit.verify() == before


def test_an_entry_cannot_be_replaced_either(told: Store) -> None:
    """SQLite's REPLACE deletes without saying so, and PostgreSQL's upsert updates."""
    names = "id, chain, seq, campaign_id, line_no, at, actor, action, code, detail, prev, digest"
    forged = names.replace("actor", "'nobody'")
    way, end = (
        ("INSERT OR REPLACE", "")
        if told.database.is_sqlite
        else ("INSERT", " ON CONFLICT (id) DO UPDATE SET actor = excluded.actor")
    )
    before = told.audit.verify()
    for key in ("id", "id + 1000"):
        columns = forged.replace("id, chain", f"{key}, chain", 1)
        sql = f"{way} INTO audit ({names}) SELECT {columns} FROM audit WHERE seq = 1{end}"
        with pytest.raises(StoreUnavailable):
            execute(told, sql)
    assert told.audit.verify() == before


# ---------------------------------------------------------------- tampering


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'nobody'",
        "action = 'edit.skipped'",
        "code = 'x'",
        "line_no = 3",
        "detail = '{}  '",
        "campaign_id = 'c-july'",
    ],
)
def test_a_changed_entry_is_named(told: Store, change: str) -> None:
    """Whatever part of it was changed."""
    tamper(told, f"UPDATE audit SET {change} WHERE chain = 'c-june.1' AND seq = 3")
    assert told.audit.verify()[1] == [Break(chain="c-june.1", seq=3, why="has been changed")]


def test_a_changed_time_is_named(told: Store) -> None:
    """When something happened is part of what is sealed."""
    tamper(told, "UPDATE audit SET at = '2020-01-01 00:00:00.000000' WHERE chain = 'c-june.1'")
    assert [one.seq for one in told.audit.verify()[1]] == [1, 2, 3, 4, 5, 6]


def test_a_removed_entry_is_named(told: Store) -> None:
    """The one after it does not follow."""
    tamper(told, "DELETE FROM audit WHERE chain = 'c-june.1' AND seq = 3")
    assert told.audit.verify()[1] == [Break(chain="c-june.1", seq=3, why="an entry is missing")]


def test_a_cut_end_is_named(told: Store) -> None:
    """What is left hangs together; the chunk knows that there was more."""
    tamper(told, "DELETE FROM audit WHERE chain = 'c-june.1' AND seq > 4")
    assert told.audit.verify()[1] == [
        Break(chain="c-june.1", seq=5, why="the end has been cut off")
    ]


@pytest.mark.parametrize("chain", ["c-june.1", "c-june"])
def test_a_removed_chain_is_named(told: Store, chain: str) -> None:
    """Nothing is left to be wrong, but for the head that the chunk or campaign keeps."""
    tamper(told, f"DELETE FROM audit WHERE chain = '{chain}'")
    assert told.audit.verify()[1] == [Break(chain=chain, seq=1, why="the whole chain is missing")]


def test_a_chain_removed_with_its_head_is_named_by_its_campaign(told: Store) -> None:
    """The campaign's last entry binds the heads of all its chunks (DESIGN §5)."""
    tamper(told, "DELETE FROM audit WHERE chain = 'c-june.1'")
    execute(told, "UPDATE chunks SET audit_seq = 0, audit_head = '' WHERE id = 'c-june.1'")
    (found,) = told.audit.verify()[1]
    assert (found.chain, "chunks' chains" in found.why) == ("c-june", True)


def test_an_entry_behind_the_end_is_named(told: Store) -> None:
    """Something was added that no worker wrote."""
    tamper(
        told,
        "INSERT INTO audit (chain, seq, campaign_id, line_no, at, actor, action, code, detail,"
        " prev, digest) SELECT chain, seq + 1, campaign_id, line_no, at, actor, action, code,"
        " detail, digest, 'x' FROM audit WHERE chain = 'c-july.1' AND seq = 2",
    )
    found = {one.why for one in told.audit.verify()[1]}
    assert found == {"has been changed", "goes on after its end"}


def test_a_rewritten_chain_is_named(told: Store) -> None:
    """Whoever can compute digests must still change what the chunk and the campaign keep."""
    tamper(told, "UPDATE audit SET actor = 'nobody' WHERE chain = 'c-july.1' AND seq = 2")
    changed = told.audit.of_event("other")[-1]
    tamper(
        told,
        f"UPDATE audit SET digest = '{entry_digest(changed)}' WHERE chain = 'c-july.1' AND seq = 2",
    )
    assert told.audit.verify()[1] == [
        Break(chain="c-july.1", seq=2, why="does not end as recorded")
    ]


# ---------------------------------------------------------------- writing


def test_entries_tell_an_events_story_in_order(told: Store) -> None:
    """`why` shows them oldest first, over all campaigns."""
    submit(told, [a_row(2)], key="august")
    run_to(told, "c-august.1", S.SKIPPED)
    story = [(row.campaign_id, row.action) for row in told.audit.of_event("evt_2")]
    assert story == [
        ("c-june", "edit.sending"),
        ("c-june", "edit.accepted"),
        ("c-june", "edit.verified"),
        ("c-august", "edit.skipped"),
    ]


def test_a_detail_is_stored_as_json(store: Store) -> None:
    """Quotes, emoji and NUL in values survive; the digest is over what is stored."""
    submit(store)
    held = claim(store)
    detail = {"fields": ["start"], "text": 'a"b\0💥', "n": 1.5}
    note = Note(actor="a\0da", action="edit.sending", line_no=2, detail=detail)
    store.chunks.record(held, [], lease_s=60, notes=[note])
    (row,) = store.audit.of_event("evt_2")
    assert row.detail == '{"fields":["start"],"text":"a\\"b\\u0000💥","n":1.5}'
    assert row.actor == "ada"
    assert store.audit.verify()[1] == []


def test_named_chains_hold_under_writers_at_once(store: Store) -> None:
    """They have no row to lock, and follow one another all the same."""
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda number: store.audit.note(
                    f"account:{number % 2}", [Note(actor="w", action="vault.rotated")] * 2
                ),
                range(16),
            )
        )
    assert store.audit.verify() == (32, [])


def test_verifying_while_others_write_finds_no_break(store: Store) -> None:
    """It looks at one moment, so that a chain that grows is not a chain that was cut."""
    submit(store, some_rows(40), chunk_size=1)

    def work(number: int) -> None:
        run_to(store, f"c-june.{number}", S.VERIFIED)

    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(work, number) for number in range(1, 41)]
        looks = [store.audit.verify() for _ in range(10)]
        for run in runs:
            run.result()
    assert [breaks for _, breaks in looks] == [[]] * 10
    assert store.audit.verify()[1] == []


def test_noting_nothing_writes_nothing(store: Store) -> None:
    """No entry, no head."""
    submit(store)
    held = claim(store)
    store.chunks.record(held, [], lease_s=60)
    store.audit.note("account:x", [])
    bring(store, held, S.SKIPPED)
    assert execute(store, "SELECT count(*) FROM audit")[0] == 2
