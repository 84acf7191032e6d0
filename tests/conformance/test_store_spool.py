"""The way into the database by a spool: exact in spite of hashes, all texts whole."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.stores import (
    SALT,
    S,
    a_campaign,
    a_row,
    bring,
    claim,
    execute,
    run_to,
    some_rows,
    states,
    submit,
)
from worker.errors import StoreUnavailable
from worker.model import Code
from worker.store import EditRow, Spool, Store, spool


@pytest.fixture
def lines() -> Iterator[Spool]:
    """An empty spool."""
    made = Spool()
    yield made
    made.close()


def stored(store: Store, lines: Spool, *, key: str = "june", chunk_size: int = 50) -> str:
    """Submit a spool and return the campaign's id."""
    campaign, _ = store.campaigns.submit(
        a_campaign(key), lines, campaign_id=f"c-{key}", image_key=SALT, chunk_size=chunk_size
    )
    return campaign.id


# ---------------------------------------------------------------- the file


def test_the_file_is_private_and_goes_with_its_spool(lines: Spool) -> None:
    """It holds whole calendars' ids and texts."""
    lines.add(some_rows(3))
    assert lines.file.parent.stat().st_mode & 0o777 == 0o700
    assert lines.file.stat().st_mode & 0o777 == 0o600
    lines.close()
    lines.close()
    assert not lines.file.parent.exists()


def test_a_forgotten_spool_leaves_no_file() -> None:
    """Whoever lets go of it need not close it."""
    made = Spool()
    folder = made.file.parent
    del made
    assert not folder.exists()


def test_a_spool_stays_its_owners(store: Store, lines: Spool) -> None:
    """A submission that fails may be tried again with it."""
    lines.add(some_rows(3))
    stored(store, lines)
    assert lines.count == len(list(lines)) == 3


def test_a_spool_may_be_tried_again(store: Store, lines: Spool) -> None:
    """What held its events the first time may have let go of them since."""
    submit(store, some_rows(2), key="april")
    lines.add(some_rows(4))
    first = stored(store, lines, key="may")
    assert Counter(state for state, _ in states(store, first).values())[S.SKIPPED] == 2
    run_to(store, "c-april.1", S.VERIFIED)
    run_to(store, "c-may.1", S.VERIFIED)
    second = stored(store, lines, key="june")
    assert set(states(store, second).values()) == {(S.PENDING, "")}
    assert len(claim(store).edits) == 4


def test_rows_of_a_caller_leave_no_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when they are stored nor when they break off."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    def broken() -> Iterator[EditRow]:
        yield a_row()
        assert list(folder.iterdir())
        raise RuntimeError("the file broke off")

    submit(store, some_rows(3))
    with pytest.raises(RuntimeError):
        submit(store, broken(), key="july")
    assert list(folder.iterdir()) == []


# ---------------------------------------------------------------- texts


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x01"), max_size=12)


@given(texts=st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), min_size=1, max_size=4))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_comes_through_whole(
    store: Store, texts: list[tuple[str, str, str, str]]
) -> None:
    """Tabs, line ends and backslashes mean something on the way into PostgreSQL."""
    key = f"k{store.campaigns.latest() and len(store.campaigns.newest(limit=100))}"
    rows = [
        a_row(n, account=a, calendar_id=c, event_uid=f"{key}.{n}.{u}", ref=r, cells=_json(a, c, u))
        for n, (a, c, u, r) in enumerate(texts, start=2)
    ]
    campaign = submit(store, rows, key=key)
    outcomes = list(store.reading.outcomes(campaign.id))
    found = [
        (one.account, one.calendar_id, one.event_uid.split(".", 2)[2], one.ref) for one in outcomes
    ]
    assert found == texts
    assert [one.cells for one in outcomes] == [text[:3] for text in texts]


def _json(*texts: str) -> str:
    return json.dumps(texts)


@pytest.mark.parametrize("ref", ["plain", "a\tb", "a\nb", "a\rb", "a\\b", "\\N", "a\\tb", ""])
def test_one_unusual_text_among_usual_ones_is_whole(store: Store, ref: str) -> None:
    """It has its batch written more carefully, and no other."""
    rows = [*some_rows(20), a_row(30, ref=ref)]
    submit(store, rows)
    refs = {one.line_no: one.ref for one in store.reading.outcomes("c-june")}
    assert refs[30] == ref
    assert refs[21] == "row 21"


# ---------------------------------------------------------------- hashes


@pytest.fixture
def poor_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two events in three share a hash with another of their calendar."""
    found = itertools.count()
    monkeypatch.setattr(spool, "event_hash", len)
    monkeypatch.setattr(spool, "_eight", lambda _: (next(found) // 3,))


def test_strangers_of_one_hash_are_no_twins(lines: Spool, poor_hashes: None) -> None:
    """The texts decide; a good line must not be lost to another one's hash."""
    lines.add([a_row(2), a_row(3), a_row(4)])
    assert list(lines.twins()) == []


def test_a_twin_among_strangers_is_found(lines: Spool, poor_hashes: None) -> None:
    """And it names the line that came first, and whether it asks the same."""
    rows = [a_row(2, event_uid="one"), a_row(3, event_uid="two"), a_row(4, event_uid="one")]
    lines.add(rows)
    assert [(twin.line_no, twin.first, twin.same) for twin in lines.twins()] == [(4, 2, True)]


def test_a_strangers_shift_is_not_ones_own(store: Store) -> None:
    """An earlier edit of the same hashes and the same change, but of another event."""
    submit(store)
    run_to(store, "c-june.1", S.VERIFIED)
    execute(store, "UPDATE edits SET event_uid = 'stranger'")
    submit(store, key="july")
    assert claim(store, "c-july.1").edits[0].prior_target is None


def test_two_strangers_of_one_hash_are_refused_not_mixed_up(
    store: Store, lines: Spool, poor_hashes: None
) -> None:
    """One chance in billions: the database takes one open edit for each hash, and says so."""
    lines.add([a_row(2), a_row(3)])
    with pytest.raises(StoreUnavailable, match="contradicts another"):
        stored(store, lines)
    assert store.campaigns.get("june") is None


def test_events_are_found_by_their_uid_alone(store: Store) -> None:
    """`why` and the audit know no account; ended edits and open ones, oldest campaign first."""
    places = [(f"acc_{n % 5}", f"cal_{n}") for n in range(40)]
    rows = [
        a_row(n, event_uid="evt", account=account, calendar_id=calendar)
        for n, (account, calendar) in enumerate(places, start=2)
    ]
    submit(store, rows)
    for number in (1, 2):
        run_to(store, f"c-june.{number}", S.VERIFIED)
    submit(store, [a_row(3, event_uid="evt", account="acc_9")], key="july")
    found = [(one.campaign_id, one.line_no) for one in store.reading.of_event("evt")]
    assert found == [*(("c-june", n) for n in range(2, 42)), ("c-july", 3)]
    assert store.reading.of_event("evt_") == []
    assert {row.line_no for row in store.audit.of_event("evt")} > {2}


# ---------------------------------------------------------------- other campaigns


def test_what_is_held_is_in_no_chunk(store: Store) -> None:
    """Chunks are cut anew when it shows that lines fall away."""
    submit(store, some_rows(10))
    second = submit(store, some_rows(14), key="july", chunk_size=3)
    found = Counter(states(store, second.id).values())
    assert found == {(S.SKIPPED, Code.ALREADY_IN_CAMPAIGN): 10, (S.PENDING, ""): 4}
    sizes = [len(claim(store, f"c-july.{number}").edits) for number in (1, 2)]
    assert sizes == [3, 1]


def test_the_latest_of_several_equal_shifts_counts(store: Store) -> None:
    """The event is where the last one put it."""
    from tests.builders import an_image

    for number, key in enumerate(("april", "may")):
        submit(store, key=key)
        held = claim(store, f"c-{key}.1")
        bring(store, held, S.VERIFIED, target=an_image(summary=f"place {number}"))
        store.chunks.release(held)
    submit(store, key="june")
    prior = claim(store).edits[0].prior_target
    assert prior is not None
    assert prior.summary == "place 1"


def test_a_campaign_behind_a_large_history_finds_its_own(store: Store) -> None:
    """Of thousands of earlier edits those of the same events alone are looked at, in batches."""
    submit(store, some_rows(6_000), chunk_size=5_000)
    for number in (1, 2):
        run_to(store, f"c-june.{number}", S.VERIFIED)
    second = submit(store, [a_row(line) for line in range(5_990, 6_010)], key="july")
    assert set(states(store, second.id).values()) == {(S.PENDING, "")}
    recalled = execute(
        store,
        "SELECT count(prior_target) FROM edits WHERE campaign_id = :id",
        id=second.id,
    )
    assert recalled[0] == 12


# ---------------------------------------------------------------- chunks


@given(
    lines_of=st.lists(
        st.tuples(st.sampled_from("abc"), st.none() | st.integers(1, 9)), min_size=1, max_size=40
    ),
    size=st.integers(1, 7),
)
@settings(max_examples=40)
def test_chunks_are_cut_as_promised(lines_of: list[tuple[str, int | None]], size: int) -> None:
    """Of one account, full but the last, in the order of dates, in turns; each line in one."""
    from worker.store.placing import place

    made = Spool()
    made.add(
        a_row(n, account=account, hint=f"2026-06-0{day}" if day else None)
        for n, (account, day) in enumerate(lines_of, start=2)
    )
    places = place(made.accounts, made.cursor(), count=made.count, size=size)
    chunks = sorted(places)
    assert [chunk.number for chunk in chunks] == list(range(1, len(chunks) + 1))
    members: dict[int, list[tuple[str, int]]] = {chunk.number: [] for chunk in chunks}
    for n, (account, day) in enumerate(lines_of, start=1):
        members[places.numbers[n]].append((account, day or 99))
    turns = Counter[str]()
    for chunk in chunks:
        held = members[chunk.number]
        assert {account for account, _ in held} == {chunk.account}
        assert len(held) == chunk.size <= size
        assert chunk.reads_all == any(day == 99 for _, day in held)
        earlier = [c for c in chunks if c.account == chunk.account and c.number < chunk.number]
        assert all(c.size == size for c in earlier)
        before = [day for c in earlier for _, day in members[c.number]]
        assert not before or max(before) <= min(day for _, day in held)
        assert all(
            turns[chunk.account] <= turns[c.account] for c in chunks if c.number >= chunk.number
        )
        turns[chunk.account] += 1
    made.close()


def test_twenty_thousand_lines_are_in_order(store: Store) -> None:
    """Many batches of everything, on both databases."""
    rows = [
        a_row(n, account=f"acc_{n % 7}", hint=f"2026-06-{n % 28 + 1:02}" if n % 3 else None)
        for n in range(2, 20_002)
    ]
    told: list[int] = []
    campaign, _ = store.campaigns.submit(
        a_campaign(), rows, campaign_id="c-june", image_key=SALT, chunk_size=1_000,
        progress=told.append,
    )  # fmt: skip
    assert (campaign.total, told[-1], told) == (20_000, 20_000, sorted(told))
    found = execute(
        store,
        "SELECT count(*) AS n, sum(size) AS size, max(number) AS last,"
        " sum(CASE WHEN reads_all THEN 1 ELSE 0 END) AS whole FROM chunks",
    )
    assert (found.n, found.size, found.last) == (21, 20_000, 21)
    wrong = execute(
        store,
        "SELECT count(*) FROM chunks k WHERE k.size <> (SELECT count(*) FROM edits e WHERE"
        " e.chunk_id = k.id AND e.account = k.account) OR k.reads_all <> EXISTS (SELECT 1 FROM"
        " edits e WHERE e.chunk_id = k.id AND e.hint IS NULL)",
    )
    assert wrong[0] == 0
