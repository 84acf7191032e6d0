"""What is stored of people's events is sealed, opens only in its place, and never by guesswork."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.builders import an_image
from tests.conformance.stores import (
    KEY,
    KEYRING,
    SALT,
    S,
    a_row,
    an_account,
    bring,
    chunk,
    claim,
    execute,
    run_to,
    some_rows,
    states,
    step,
    submit,
)
from worker.errors import VaultError
from worker.model import Image
from worker.store import Images, Store
from worker.store.sealing import Unopened
from worker.tokens import Vault, generate_key
from worker.tokens.rotation import rotate

CANARY = "canary in a title"
STORED = (
    "SELECT before, target, prior_target FROM edits WHERE campaign_id = :id AND line_no = :line"
)


def stored(store: Store, line: int = 2, campaign: str = "c-june") -> tuple[str | None, ...]:
    """Return an edit's images as the database has them."""
    return tuple(execute(store, STORED, id=campaign, line=line))


def sent(store: Store, *, key: str = "june", count: int = 1) -> None:
    """Have a campaign whose edits are being sent, with the canary in both images."""
    submit(store, some_rows(count), key=key)
    held = claim(store, f"c-{key}.1")
    images = {name: an_image(summary=f"{CANARY} {name}") for name in ("before", "target")}
    bring(store, held, S.SENDING, **images)
    store.chunks.release(held)


def shown(store: Store, campaign: str = "c-june") -> list[tuple[Image | None, Image | None]]:
    """Return the images as reports get them."""
    return [(one.before, one.target) for one in store.reading.outcomes(campaign)]


def images(**keys: bytes | None) -> Images:
    """Return what seals for a campaign `c` with keys of the test's choice."""
    ordinary = {"campaign_key": b"c" * 32, "account_key": b"a" * 32}
    return Images(campaign_id="c", **ordinary | keys)


# ---------------------------------------------------------------- at rest


def test_no_image_is_stored_in_the_clear(store: Store) -> None:
    """Whoever reads the database reads no titles."""
    sent(store)
    before, target, _ = stored(store)
    assert str(before).startswith("s1:")
    assert str(target).startswith("s1:")
    assert CANARY not in f"{before}{target}"


def test_a_worker_gets_back_what_was_written(store: Store) -> None:
    """The next run sends the same bytes again (law 3)."""
    sent(store)
    (edit,) = claim(store).edits
    assert edit.before == an_image(summary=f"{CANARY} before")
    assert edit.target == an_image(summary=f"{CANARY} target")
    assert not edit.is_unreadable


def test_reports_show_what_was_written(store: Store) -> None:
    """And have nothing to complain about."""
    sent(store, count=2)
    (before, target), _ = shown(store)
    assert before == an_image(summary=f"{CANARY} before")
    assert target == an_image(summary=f"{CANARY} target")
    assert store.reading.of_event("evt_2")[0].before == before
    assert store.reading.unopened is None


def test_the_same_image_is_sealed_differently_each_time(store: Store) -> None:
    """Equal texts of two people, or of two days, cannot be told to be equal."""
    submit(store, some_rows(2))
    same = an_image()
    bring(store, claim(store), S.SENDING, before=same, target=same)
    assert len({*stored(store, 2)[:2], *stored(store, 3)[:2]}) == 4


def test_the_accounts_key_is_sealed_by_the_vault(store: Store) -> None:
    """A stolen database has no key in it."""
    sent(store)
    sealed = bytes(execute(store, "SELECT sealed FROM image_keys")[0])
    key = bytes.fromhex(KEYRING.open("images of acc_1", sealed))
    assert len(key) == 32
    assert key.hex().encode() not in sealed
    with pytest.raises(VaultError):
        KEYRING.open("acc_1", sealed)  # nor is it of use as a token


# ---------------------------------------------------------------- old and plain


def plain(store: Store) -> Store:
    """Return the same store as it is while older workers run beside it."""
    return Store(store.database, keyring=KEYRING, seals=False)


def test_plain_images_are_read_sealed_or_not(store: Store) -> None:
    """A campaign that began under an older version goes on under this one."""
    sent(plain(store))
    assert str(stored(store)[0]).startswith("{")
    assert claim(store).edits[0].target == an_image(summary=f"{CANARY} target")
    assert shown(store)[0][0] == an_image(summary=f"{CANARY} before")


def test_sealed_images_are_read_while_none_are_written(store: Store) -> None:
    """The setting may be turned back."""
    sent(store)
    assert claim(plain(store)).edits[0].target == an_image(summary=f"{CANARY} target")


def test_an_older_calpatch_finds_the_earlier_target_itself(store: Store) -> None:
    """It reads no references: what is plain is copied while it runs beside this one."""
    older = plain(store)
    submit(older)
    run_to(older, "c-june.1", S.VERIFIED)
    submit(older, key="july")
    assert stored(store, campaign="c-july")[2] == stored(store)[1]
    assert claim(store, "c-july.1").edits[0].prior_target == an_image(summary="Moved")


# ---------------------------------------------------------------- out of place


@pytest.mark.parametrize(("one", "other"), [("before", "target"), ("target", "before")])
def test_an_image_does_not_open_in_the_other_column(one: str, other: str) -> None:
    """A target in the place of the before-image would say that all is done."""
    kept = images().stored(an_image(), line_no=2, which=one)  # type: ignore[arg-type]
    assert images().read(kept, line_no=2, which=one) == an_image()  # type: ignore[arg-type]
    with pytest.raises(Unopened):
        images().read(kept, line_no=2, which=other)  # type: ignore[arg-type]


def test_an_image_does_not_open_elsewhere() -> None:
    """On another line, in another campaign, with another person's key, damaged, or cut."""
    kept = images().stored(an_image(), line_no=2, which="before")
    others = [
        Images(campaign_id="other", campaign_key=b"c" * 32, account_key=b"a" * 32),
        images(campaign_key=b"d" * 32),
        images(account_key=b"b" * 32),
        images(account_key=None),
        images(campaign_key=None),
    ]
    for other in others:
        with pytest.raises(Unopened):
            other.read(kept, line_no=2, which="before")
    for wrong in (kept[:-8], f"{kept[:-2]}AA", "s1:", "s1:%%%", "s1:AAAA"):
        with pytest.raises(Unopened):
            images().read(wrong, line_no=2, which="before")
    with pytest.raises(Unopened):
        images().read(kept, line_no=3, which="before")


def test_nothing_is_written_plain_for_want_of_a_key() -> None:
    """Neither half of the key may be missing when something is to be sealed."""
    for missing in ("account_key", "campaign_key"):
        with pytest.raises(VaultError):
            images(**{missing: None}).stored(an_image(), line_no=2, which="before")


@pytest.mark.parametrize("column", ["before", "target"])
def test_an_edit_with_a_damaged_image_is_marked(store: Store, column: str) -> None:
    """It is never taken for one without a target, whose shift would be resolved anew (law 3)."""
    sent(store, count=2)
    swap = f"UPDATE edits SET {column} = (SELECT {column} FROM edits WHERE line_no = 3)"
    execute(store, f"{swap} WHERE line_no = 2")
    bad, good = claim(store).edits
    assert (bad.is_unreadable, bad.before, bad.target) == (True, None, None)
    assert not good.is_unreadable
    assert good.target is not None
    assert [None in pair for pair in shown(store)] == [True, False]
    assert "c-june, line 2" in str(store.reading.unopened)


# ---------------------------------------------------------------- the vault


@pytest.fixture
def locked(store: Store) -> Store:
    """The same store with a vault that has another key."""
    return Store(store.database, keyring=Vault([generate_key()]))


def test_without_the_vaults_key_nothing_is_claimed_nor_counted(store: Store, locked: Store) -> None:
    """An operator's slip costs time: no rescue, no attempt, no epoch."""
    store.accounts.import_all([an_account()], actor="ada")
    sent(store)
    before = dict(chunk(store)._mapping)
    for _ in range(5):
        with pytest.raises(VaultError, match="images of account acc_1 cannot be opened") as caught:
            locked.chunks.claim("c-june.1", owner="w", lease_s=60)
    assert "Append the former key" in str(caught.value)
    assert dict(chunk(store)._mapping) == before
    assert claim(store).edits[0].attempts == 0


def test_without_the_vaults_key_nothing_is_claimed_for_proof(store: Store, locked: Store) -> None:
    """Nor does a read-back count as tried."""
    store.accounts.import_all([an_account()], actor="ada")
    submit(store)
    run_to(store, "c-june.1", S.ACCEPTED)
    with pytest.raises(VaultError):
        locked.chunks.claim_proofs("acc_1", owner="w", lease_s=60)
    assert (chunk(store).state, chunk(store).proofs) == ("verifying", 0)


def test_edits_of_a_forgotten_account_are_claimed_without_the_key(
    store: Store, locked: Store
) -> None:
    """With a vault key that is lost for good they would be open for ever otherwise."""
    store.accounts.import_all([an_account()], actor="ada")
    sent(store)
    with pytest.raises(VaultError):
        claim(locked)
    store.accounts.forget("acc_1", actor="ada")
    held = claim(locked)
    assert [edit.is_unreadable for edit in held.edits] == [True]
    locked.chunks.record(held, [step(2, S.SENDING, S.UNVERIFIED)], lease_s=60)
    assert locked.chunks.release(held).state == "done"


def test_without_the_vaults_key_reports_are_blank_and_say_why(store: Store, locked: Store) -> None:
    """Counts and codes are what one needs when something is wrong."""
    sent(store, count=3)
    assert shown(locked) == [(None, None)] * 3
    assert "does not hold" in str(locked.reading.unopened)
    assert set(states(locked).values()) == {(S.SENDING, "")}
    list(locked.reading.outcomes("c-none"))
    assert locked.reading.unopened is None


def test_a_store_without_a_keyring_seals_nothing_and_opens_nothing(store: Store) -> None:
    """What tests have; `open_store` always has a keyring."""
    sent(store)
    bare = Store(store.database)
    assert shown(bare) == [(None, None)]
    assert claim(bare).edits[0].is_unreadable
    submit(bare, [a_row(9)], key="july")
    run_to(bare, "c-july.1", S.VERIFIED)
    assert str(stored(store, 9, "c-july")[0]).startswith("{")


def test_a_key_that_was_changed_by_hand_is_told(store: Store) -> None:
    """A token in its place, or half a key, is no key."""
    store.accounts.import_all([an_account()], actor="ada")
    sent(store)
    for sealed in (KEYRING.seal("acc_1", "token"), KEYRING.seal("images of acc_1", "abcd")):
        execute(store, "UPDATE image_keys SET sealed = :sealed", sealed=sealed)
        with pytest.raises(VaultError, match="acc_1"):
            claim(store)


def test_workers_at_once_make_one_key(store: Store) -> None:
    """The second would seal with a key that nobody keeps."""
    submit(store, some_rows(8), chunk_size=1)

    def one(number: int) -> Images:
        return claim(store, f"c-june.{number}").images

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(one, range(1, 9)))
    kept = found[0].stored(an_image(), line_no=2, which="before")
    assert {str(each.read(kept, line_no=2, which="before")) for each in found} == {str(an_image())}
    assert execute(store, "SELECT count(*) FROM image_keys")[0] == 1


# ---------------------------------------------------------------- rotation


def test_keys_are_sealed_anew_by_a_rotation_and_open_the_same(store: Store) -> None:
    """With the new vault key alone; one that another has changed meanwhile is left alone."""
    submit(store, [a_row(line, account=f"acc_{line}") for line in range(2, 7)])
    for number in range(1, 6):
        bring(store, claim(store, f"c-june.{number}"), S.SENDING)
    execute(store, "UPDATE image_keys SET sealed = :other WHERE account = 'acc_3'", other=b"other")
    key = generate_key()

    done = rotate(store, Vault([key, KEY]), actor="ada")

    assert done.resealed == 4
    rotated = Store(store.database, keyring=Vault([key]))
    assert [None in pair for pair in shown(rotated)] == [False, True, False, False, False]


# ---------------------------------------------------------------- digests


def test_digests_compare_within_a_campaign_and_tell_nothing_outside() -> None:
    """Equal images of a person in a campaign have equal digests; without either key, never."""
    image, one = an_image(), images()
    assert one.digest(image) == images().digest(an_image())
    digests = {
        one.digest(image),
        one.digest(an_image(summary="Other")),
        images(account_key=b"b" * 32).digest(image),
        images(campaign_key=b"b" * 32).digest(image),
        images(account_key=None).digest(image),
        images(campaign_key=None).digest(image),
    }
    assert len(digests) == 6


def test_a_claim_keeps_its_keys_to_itself(store: Store) -> None:
    """What is printed of it, in a log or a traceback, names no key."""
    submit(store)
    held = claim(store)
    assert SALT.hex() not in repr(held)
    assert repr(held.images) == "Images(…)"
    assert "image_key" not in repr(held)


# ---------------------------------------------------------------- earlier shifts


def test_an_earlier_shift_is_noted_by_reference(store: Store) -> None:
    """Its target is stored once: to erase it there erases it everywhere."""
    submit(store)
    run_to(store, "c-june.1", S.VERIFIED)
    submit(store, key="july")
    assert stored(store, campaign="c-july")[2] == "r1:c-june:2"
    (edit,) = claim(store, "c-july.1").edits
    assert edit.prior_target == an_image(summary="Moved")
    assert not edit.prior_is_gone


@pytest.mark.parametrize(
    "gone",
    [
        "UPDATE edits SET target = NULL WHERE campaign_id = 'c-june'",
        "UPDATE campaigns SET image_key = NULL WHERE id = 'c-june'",
        "DELETE FROM edits WHERE campaign_id = 'c-june'",
        "UPDATE edits SET target = 's1:AAAA' WHERE campaign_id = 'c-june'",
    ],
)
def test_an_earlier_shift_that_was_pruned_is_still_known_to_have_been(
    store: Store, gone: str
) -> None:
    """Where it put the event is not known any more; that it was made is."""
    submit(store)
    run_to(store, "c-june.1", S.VERIFIED)
    submit(store, key="july")
    execute(store, gone)
    (edit,) = claim(store, "c-july.1").edits
    assert (edit.prior_target, edit.prior_is_gone) == (None, True)


def test_a_shift_pruned_before_the_next_submission_is_known_as_well(store: Store) -> None:
    """The edit's row says that it was sent."""
    submit(store)
    run_to(store, "c-june.1", S.VERIFIED)
    execute(store, "UPDATE edits SET before = NULL, target = NULL")
    submit(store, key="july")
    assert claim(store, "c-july.1").edits[0].prior_is_gone


def test_the_references_of_a_chunk_are_followed_at_once(store: Store) -> None:
    """Each of its edits has its own earlier target, from whichever campaign."""
    for key, lines in (("june", range(2, 22)), ("july", range(22, 42))):
        submit(store, [a_row(line) for line in lines], key=key)
        held = claim(store, f"c-{key}.1")
        steps = [
            step(line, S.PENDING, S.SENDING, target=an_image(summary=f"at {line}"))
            for line in lines
        ]
        store.chunks.record(held, steps, lease_s=60)
        store.chunks.record(held, [step(line, S.SENDING, S.FAILED) for line in lines], lease_s=60)
        store.chunks.release(held)
    submit(store, [a_row(line) for line in range(2, 43)], key="august")
    edits = claim(store, "c-august.1").edits
    found = {edit.line_no: edit.prior_target.summary for edit in edits if edit.prior_target}
    assert found == {line: f"at {line}" for line in range(2, 42)}


# ---------------------------------------------------------------- the bytes


def test_the_files_bytes_hold_no_image(store: Store) -> None:
    """SQLite's file and journal, whatever they keep of pages that were written before."""
    if not store.database.is_sqlite:
        pytest.skip("PostgreSQL's files are the server's")
    store.accounts.import_all([an_account()], actor="ada")
    sent(store, count=30)
    file = store.database.file
    assert file is not None
    kept = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    assert b"evt_2" in kept  # what is looked for would be found
    assert CANARY.encode() not in kept
