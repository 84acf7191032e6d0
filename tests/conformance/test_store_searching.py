"""The audit is searched by event, person, campaign, account; by an index where it is large."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.conformance.stores import S, a_row, an_account, run_to, some_rows, submit
from tests.conformance.test_store_scale import effort
from worker.store import Note, Sought, Store

MANY = 20_000
#: steps or blocks that deeper indexes may cost: a scan of all would cost thousands
MORE = 60
WHO = {"actor": "ann", "reason": "the board meets"}


@pytest.fixture
def told(store: Store) -> Store:
    """Two campaigns about one event and others, one of which a person has paused and resumed."""
    store.accounts.import_all([an_account("acc_1"), an_account("acc_2")], actor="bob")
    rows = [a_row(2, event_uid="shared"), a_row(3, account="acc_2", event_uid="shared"), a_row(4)]
    submit(store, rows, chunk_size=2)
    store.steering.pause("c-june", **WHO)
    store.steering.resume("c-june", **WHO)
    run_to(store, "c-june.1", S.VERIFIED)
    run_to(store, "c-june.2", S.UNCHANGED)
    submit(store, [a_row(2, event_uid="shared"), a_row(9, event_uid="own")], key="july")
    run_to(store, "c-july.1", S.FAILED)
    store.audit.note("account:acc_1", [Note(actor="bob", action="account.erasing")])
    return store


def found(store: Store, **sought: object) -> list[tuple[str | None, int | None, str]]:
    """Return what a search finds: campaign, line and action."""
    entries = store.search.entries(Sought(**sought))  # type: ignore[arg-type]
    return [(each.campaign_id, each.line_no, each.action) for each in entries]


def test_an_event_is_found_in_every_campaign_in_times_order(told: Store) -> None:
    """All its steps and nobody else's."""
    steps = found(told, event_uid="shared")
    assert {(campaign, line) for campaign, line, _ in steps} == {
        ("c-june", 2), ("c-june", 3), ("c-july", 2),
    }  # fmt: skip
    assert [campaign for campaign, _, _ in steps] == ["c-june"] * 4 + ["c-july"] * 2
    assert [step for step in steps if step[:2] == ("c-july", 2)] == [
        ("c-july", 2, "edit.sending"), ("c-july", 2, "edit.failed"),
    ]  # fmt: skip


def test_an_event_of_one_account_and_one_campaign(told: Store) -> None:
    """What is given must all hold."""
    lines = {line for _, line, _ in found(told, event_uid="shared", account="acc_2")}
    assert lines == {3}
    july = found(told, event_uid="shared", campaign_id="c-july")
    assert {campaign for campaign, _, _ in july} == {"c-july"}
    assert found(told, event_uid="shared", campaign_id="c-july", account="acc_2") == []


def test_a_campaigns_own_chain_and_those_of_its_chunks_are_one_story(told: Store) -> None:
    """From its submission to its end, lines between."""
    steps = [action for _, _, action in found(told, campaign_id="c-june")]
    assert steps[:3] == ["campaign.submitted", "campaign.paused", "campaign.resumed"]
    assert steps[-1] == "campaign.completed"
    assert steps.count("edit.verified") == 2
    account = found(told, campaign_id="c-june", account="acc_2")
    assert {line for _, line, _ in account} == {3}


def test_a_persons_deeds_have_their_reasons(told: Store) -> None:
    """Of whole campaigns and of accounts, without each line's entry."""
    entries = list(told.search.entries(Sought(actor="ann")))
    assert [each.action for each in entries] == ["campaign.paused", "campaign.resumed"]
    assert all("the board meets" in each.detail for each in entries)
    assert [action for _, _, action in found(told, actor="bob")] == [
        "accounts.imported", "account.erasing",
    ]  # fmt: skip


def test_entries_about_lines_are_found_when_they_are_asked_for(told: Store) -> None:
    """By their action, and then of all campaigns."""
    assert {line for _, line, _ in found(told, action="edit.failed")} == {2, 9}
    assert found(told, actor="ann", action="edit.failed") == []
    assert found(told, action="campaign.paused", campaign_id="c-july") == []


def test_an_accounts_own_entries(told: Store) -> None:
    """Not those of its edits."""
    assert [action for _, _, action in found(told, account="acc_1")] == ["account.erasing"]


def test_since_is_by_the_databases_own_clock(told: Store) -> None:
    """An hour has not passed; no time at all has."""
    assert found(told, actor="ann", since_s=3600.0)
    assert found(told, actor="ann", since_s=0.0) == []


def test_deeds_are_of_the_campaign_as_a_whole(told: Store) -> None:
    """In the order of its chain, without lines and chunks."""
    assert [each.action for each in told.search.deeds("c-june")] == [
        "campaign.submitted", "campaign.paused", "campaign.resumed", "campaign.completed",
    ]  # fmt: skip
    assert told.search.deeds("c-none") == []


@pytest.mark.parametrize(
    "sought",
    [
        Sought(event_uid="shared"),
        Sought(campaign_id="c-june"),
        Sought(campaign_id="c-june", account="acc_2"),
        Sought(actor="ann"),
        Sought(account="acc_1"),
    ],
    ids=["event", "campaign", "campaign+account", "actor", "account"],
)
def test_a_search_reads_no_more_of_a_large_audit(told: Store, sought: Sought) -> None:
    """A million entries of other campaigns must not be gone through for one event."""

    def look() -> object:
        return list(told.search.entries(sought))

    small = effort(told, look)
    fill(told, MANY)
    assert effort(told, look) <= small + MORE


def test_a_status_reads_no_more_of_a_large_audit(told: Store) -> None:
    """It is asked twice a second."""

    def look() -> object:
        return told.search.deeds("c-june")

    small = effort(told, look)
    fill(told, MANY)
    assert effort(told, look) <= small + MORE


def fill(store: Store, count: int) -> None:
    """Let the audit have so many entries more about lines of another campaign."""
    series = (
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :n)"
        if store.database.is_sqlite
        else "WITH s AS (SELECT generate_series(1, :n) AS n)"
    )
    columns = "chain, seq, campaign_id, line_no, at, actor, action, code, detail, prev, digest"
    with store.database.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO audit ({columns}) {series} SELECT 'c-big.1', n, 'c-big', n,"
                f" {store.database.now_sql}, 'worker', 'edit.verified', '', '{{}}', '', '' FROM s"
            ),
            {"n": count},
        )
        connection.execute(text("ANALYZE"))


def test_children_name_those_that_came_after(store: Store) -> None:
    """Oldest first; nobody else's."""
    submit(store, some_rows(1))
    run_to(store, "c-june.1", S.VERIFIED)
    submit(store, some_rows(1), key="undo", parent="c-june", kind="undo")
    run_to(store, "c-undo.1", S.VERIFIED)
    submit(store, some_rows(1), key="again", parent="c-june", kind="retry")
    assert [each.kind for each in store.campaigns.children("c-june")] == ["undo", "retry"]
    assert store.campaigns.children("c-undo") == []


def test_campaigns_of_the_last_time_only(store: Store) -> None:
    """By the database's own clock."""
    submit(store)
    assert len(store.campaigns.newest(since_s=3600.0)) == 1
    assert store.campaigns.newest(since_s=0.0) == []


def test_a_freeze_does_not_outlive_a_persons_own_pause(store: Store) -> None:
    """Somebody who pauses what is frozen means that it stays so when the freeze ends."""
    submit(store)
    assert store.steering.freeze(actor="boss", reason="incident") == ["c-june"]
    assert store.steering.pause("c-june", **WHO)
    assert not store.steering.pause("c-june", **WHO)
    assert store.steering.unfreeze(actor="boss", reason="over") == []
    campaign = store.campaigns.get("c-june")
    assert campaign is not None
    assert (str(campaign.state), campaign.state_reason) == ("paused", "the board meets")
