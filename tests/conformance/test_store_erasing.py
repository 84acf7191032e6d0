"""Erasing a person: nothing readable is left, in rows or bytes, and the audit still holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.builders import an_image
from tests.conformance.stores import (
    KEYRING,
    S,
    a_row,
    an_account,
    bring,
    claim,
    execute,
    run_to,
    states,
    submit,
)
from worker import points
from worker.errors import StillOpen, StoreUnavailable
from worker.model import Calendar
from worker.store import Database, Erased, Step, Store, migrate
from worker.store.tables import metadata

CANARY = "Aloisia's check-up"
#: of somebody else, whose texts stay
OTHER = "Bruno's haircut"
NONE_LEFT = Erased(campaigns=0, edits=0, left=0)


def rows_of(sub: str, lines: range, said: str) -> list[Any]:
    """Return lines of an account that say something in every text there is."""
    return [
        a_row(
            line,
            account=sub,
            ref=f"{said} ref {line}",
            patch=f'{{"move":{{"kind":"shift","days":1}},"description":"{said} patch"}}',
            cells=f'[0,"{said} cell",3]',
        )
        for line in lines
    ]


def a_full_store(store: Store, *, key: str = "june") -> None:
    """Have a campaign of two people that has ended, with their texts wherever texts can be."""
    for sub, said in (("acc_1", CANARY), ("acc_2", OTHER)):
        store.accounts.import_all([an_account(sub, label=f"{said} label")], actor="ada")
        calendar = Calendar(calendar_id="cal_1", name=f"{said} calendar")
        store.accounts.save_calendars(sub, [calendar])
    rows = rows_of("acc_1", range(2, 6), CANARY) + rows_of("acc_2", range(6, 8), OTHER)
    held_before = [a_row(8, account="acc_1", event_uid="evt_2", ref=CANARY, duplicate=True)]
    submit(store, [*rows, *held_before], key=key)
    for number, said in ((1, CANARY), (2, OTHER)):
        held = claim(store, f"c-{key}.{number}")
        images = {"before": an_image(summary=said), "target": an_image(location=said)}
        bring(store, held, S.FAILED, lines=[held.edits[0].line_no], **images)
        rest = [edit.line_no for edit in held.edits[1:]]
        bring(store, held, S.VERIFIED, lines=rest, **images)
        store.chunks.release(held)


@pytest.fixture
def full(store: Store) -> Store:
    """A store of two people with one campaign that has ended."""
    a_full_store(store)
    return store


def everything(store: Store) -> str:
    """Return all rows of all tables, as a dump has them."""
    with store.database.read() as connection:
        names = [*metadata.tables, "alembic_version"]
        return "\n".join(
            str(tuple(row))
            for name in names
            for row in connection.execute(text(f"SELECT * FROM {name}"))
        )


def bytes_of(store: Store) -> bytes:
    """Return all that SQLite keeps on the disk; of PostgreSQL, what COPY gives of every table."""
    if store.database.file is not None:
        file = store.database.file
        return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    with closing(store.database.engine.raw_connection()) as raw, raw.cursor() as cursor:
        parts: list[bytes] = []
        for name in metadata.tables:
            with cursor.copy(f"COPY {name} TO STDOUT") as copied:
                parts += [bytes(part) for part in copied]
        return b"".join(parts)


# ---------------------------------------------------------------- what goes


@pytest.mark.parametrize("seals", [True, False], ids=["sealed", "plain"])
def test_no_text_of_the_person_is_left_in_any_row_or_byte(store: Store, seals: bool) -> None:
    """Not in a page that is no longer used, nor in the journal; others' texts stay."""
    kept = Store(store.database, keyring=KEYRING, seals=seals)
    a_full_store(kept)
    assert CANARY.encode() in bytes_of(kept)
    done = kept.erasing.erase("acc_1", actor="ada")
    assert done == Erased(campaigns=1, edits=5, left=0)
    assert "Aloisia" not in everything(kept)
    assert b"Aloisia" not in bytes_of(kept)
    assert OTHER.encode() in bytes_of(kept)


def keys_of(store: Store) -> dict[str, bytes]:
    """Return the accounts' sealed keys for images."""
    with store.database.read() as connection:
        rows = connection.execute(text("SELECT account, sealed FROM image_keys ORDER BY account"))
        return {row.account: bytes(row.sealed) for row in rows}


def test_the_account_its_tokens_and_its_key_are_gone(full: Store) -> None:
    """What sealed images are left in a backup of the tables opens to nobody."""
    full.erasing.erase("acc_1", actor="ada")
    assert full.accounts.get("acc_1") is None
    assert [*keys_of(full)] == ["acc_2"]
    assert full.accounts.get("acc_2") is not None


def test_what_happened_stays(full: Store) -> None:
    """Ids, states, codes, times and counts: the outcome of each line, without what it was about."""
    before = states(full)
    with closing(full.reading.outcomes("c-june")) as outcomes:  # type: ignore[type-var]
        times = {one.line_no: (one.sent_at, one.accepted_at, one.finished_at) for one in outcomes}
    full.erasing.erase("acc_1", actor="ada")
    assert states(full) == before
    mine = full.reading.of_event("evt_2")[0]
    assert (mine.account, mine.calendar_id, mine.event_uid) == ("acc_1", "cal_1", "evt_2")
    assert (mine.cells, mine.ref, mine.before, mine.target) == ((), "", None, None)
    assert (mine.sent_at, mine.accepted_at, mine.finished_at) == times[2]
    assert mine.sent_at is not None
    assert full.reading.unopened is None


def test_others_keep_their_images(full: Store) -> None:
    """A campaign is of many people."""
    full.erasing.erase("acc_1", actor="ada")
    theirs = full.reading.of_event("evt_6")[0]
    assert theirs.before == an_image(summary=OTHER)
    assert theirs.ref == f"{OTHER} ref 6"
    assert theirs.cells == ("acc_2", f"{OTHER} cell", f"{OTHER} ref 6")


def test_the_audit_holds_and_says_that_it_was_done(full: Store) -> None:
    """Who did it, of whom, and how much."""
    entries = full.audit.verify()[0]
    full.erasing.erase("acc_1", actor="ada")
    assert full.audit.verify() == (entries + 2, [])
    sql = "SELECT actor, action, detail FROM audit WHERE chain = 'account:acc_1' ORDER BY seq"
    with full.database.read() as connection:
        found = [tuple(row) for row in connection.execute(text(sql))]
    assert found == [
        ("ada", "account.erasing", "{}"),
        ("ada", "account.erased", '{"campaigns":1,"edits":5}'),
    ]


def test_all_campaigns_of_the_person_are_gone_through(full: Store) -> None:
    """However many there were."""
    submit(full, rows_of("acc_1", range(2, 4), CANARY), key="july")
    run_to(full, "c-july.1", S.SKIPPED)
    assert full.erasing.erase("acc_1", actor="ada") == Erased(campaigns=2, edits=7, left=0)
    assert "Aloisia" not in everything(full)


# ---------------------------------------------------------------- when, and again


def test_open_edits_are_in_the_way(full: Store) -> None:
    """Their texts are still needed; nothing is done, and the campaigns are named."""
    submit(full, rows_of("acc_1", range(20, 23), CANARY), key="july")
    held = claim(full, "c-july.1")
    bring(full, held, S.ACCEPTED, lines=[20])
    before = everything(full)
    for way in (full.erasing.refuse_open, lambda sub: full.erasing.erase(sub, actor="ada")):
        with pytest.raises(StillOpen, match=r"acc_1 still has open edits in c-july \(3\)") as told:
            way("acc_1")
        assert "calpatch status c-july --watch" in str(told.value)
        assert "calpatch accounts forget acc_1" in str(told.value)
    assert everything(full) == before
    full.erasing.refuse_open("acc_2")


def test_many_open_campaigns_are_not_all_named(full: Store) -> None:
    """One line is for people."""
    for number in range(8):
        submit(full, [a_row(2, event_uid=f"more_{number}")], key=f"more{number}")
    with pytest.raises(StillOpen, match="and 3 more"):
        full.erasing.refuse_open("acc_1")


def test_erasing_again_does_nothing_more(full: Store) -> None:
    """Nor does it say so again."""
    full.erasing.erase("acc_1", actor="ada")
    before = everything(full)
    assert full.erasing.erase("acc_1", actor="ada") == NONE_LEFT
    assert everything(full) == before


@pytest.mark.parametrize("commit", [1, 2, 3, 4])
def test_an_interrupted_erasure_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, commit: int
) -> None:
    """After any of its commits: the second time does the rest, and the audit tells of the end."""
    monkeypatch.setattr("worker.store.blanking.BATCH", 2)
    a_full_store(store)
    count = 0

    def heard(name: str) -> None:
        nonlocal count
        count += name == "commit.after"
        if count == commit:
            raise KeyboardInterrupt

    points.listen(heard)
    try:
        with pytest.raises(KeyboardInterrupt):
            store.erasing.erase("acc_1", actor="ada")
    finally:
        points.listen(None)
    assert store.accounts.get("acc_1") is None
    store.erasing.erase("acc_1", actor="ada")
    assert b"Aloisia" not in bytes_of(store)
    sql = "SELECT action FROM audit WHERE chain = 'account:acc_1' ORDER BY seq DESC LIMIT 1"
    assert execute(store, sql)[0] == "account.erased"
    assert store.audit.verify()[1] == []


def test_who_was_known_is_known(full: Store) -> None:
    """A name mistyped is not erased in silence; one half erased is known still."""
    assert full.erasing.is_known("acc_1")
    assert not full.erasing.is_known("acc_9")
    full.accounts.forget("acc_1", actor="ada")
    execute(full, "DELETE FROM image_keys")
    assert full.erasing.is_known("acc_1")


def test_edits_that_come_in_meanwhile_are_told(
    full: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are open: their texts stay until they have ended."""
    campaigns = full.erasing._campaigns

    def late() -> list[str]:
        found = campaigns()
        submit(full, rows_of("acc_1", range(30, 32), CANARY), key="late")
        return [*found, "c-late"]

    monkeypatch.setattr(full.erasing, "_campaigns", late)
    assert full.erasing.erase("acc_1", actor="ada").left == 2
    assert len(claim(full, "c-late.1").edits) == 2


# ---------------------------------------------------------------- afterwards


def test_an_equal_shift_is_still_known_to_have_been_made(full: Store) -> None:
    """Somebody who comes back does not have an event shifted twice (law 3)."""
    full.erasing.erase("acc_1", actor="ada")
    full.accounts.import_all([an_account()], actor="ada")
    submit(full, [a_row(3)], key="again")
    (edit,) = claim(full, "c-again.1").edits
    assert (edit.prior_target, edit.prior_is_gone) == (None, True)


def test_somebody_who_comes_back_has_a_new_key(full: Store) -> None:
    """And with it images that open."""
    old = keys_of(full)["acc_1"]
    full.erasing.erase("acc_1", actor="ada")
    full.accounts.import_all([an_account()], actor="ada")
    submit(full, [a_row(40)], key="again")
    held = claim(full, "c-again.1")
    step = Step(line_no=40, was=S.PENDING, state=S.SENDING, before=an_image(), target=an_image())
    full.chunks.record(held, [step], lease_s=60)
    assert keys_of(full)["acc_1"] != old
    assert full.reading.of_event("evt_40")[0].before == an_image()


def test_a_long_read_keeps_bytes_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody believes that all is gone while the journal still holds it; the next time does it."""
    monkeypatch.setattr("worker.store.database.SQLITE_BUSY_S", 0.1)
    store = Store(Database(f"sqlite:///{tmp_path / 'calpatch.db'}"), keyring=KEYRING, seals=False)
    migrate(store.database)
    a_full_store(store)
    reading = sqlite3.connect(tmp_path / "calpatch.db")
    reading.execute("BEGIN")
    reading.execute("SELECT * FROM edits").fetchone()
    with pytest.raises(StoreUnavailable, match="long read") as told:
        store.erasing.erase("acc_1", actor="ada")
    assert "Run the same command again" in str(told.value)
    reading.close()
    assert store.erasing.erase("acc_1", actor="ada") == NONE_LEFT
    assert b"Aloisia" not in bytes_of(store)
    store.database.dispose()


def test_a_connection_that_compacted_has_its_timeout_again(full: Store) -> None:
    """A statement of a worker must not run for ever after it."""
    if full.database.is_sqlite:
        return
    full.erasing.erase("acc_1", actor="ada")
    with full.database.read() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "1min"
