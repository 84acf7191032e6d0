"""`calpatch submit` of a job: what is refused, what is said, and by which code. No worker runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.stores import run_to
from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, a_look, a_store, uid
from worker.model import CampaignState, Code, EditState
from worker.report import changed, outline, why_it_waits
from worker.store import Campaign, NewAccount, Store

JOB = ("--reason", "Nightly sync", "--yes", "--job", "nightly")
CAMPAIGN = """
version: 1
campaign: {id: rooms, reason: Rooms have new names, job: rooms}
select:
  accounts: all
  between: {from: 2026-03-01, to: 2026-04-30, tzid: Europe/Paris}
transform:
  - append: {field: description, text: checked}
"""


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A folder with complete settings, no Redis, a file of two edits and a campaign file."""
    edits(bare_shell.folder, 1, 2)
    (bare_shell.folder / "rooms.yaml").write_text(CAMPAIGN)
    bare_shell.setenv("CALPATCH_WEBHOOK_SECRET", "shared")
    return bare_shell


@pytest.fixture
def store(shell: Shell) -> Store:
    """The commands' own database, with one account."""
    made = a_store(shell.folder / "calpatch.db")
    account = NewAccount(sub="acc_1", access_token=b"a", refresh_token=b"r")
    made.accounts.import_all([account], actor="test")
    return made


def edits(folder: Path, *numbers: int) -> None:
    """Write the job's file for tonight."""
    lines = [f"acc_1,cal_1,{uid(number)},PT1H" for number in numbers]
    (folder / "edits.csv").write_text(
        "\n".join(["account,calendar_id,event_uid,shift", *lines]) + "\n"
    )


def newest(store: Store) -> Campaign:
    """Return what was submitted last."""
    campaign = store.campaigns.latest()
    assert campaign is not None
    return campaign


def test_a_run_is_named_by_its_day_and_told_in_one_line(shell: Shell, store: Store) -> None:
    """The line is all of stdout: a log can be searched for it."""
    ended = shell("submit", "edits.csv", *JOB, "--for", "2026-11-23")
    campaign = newest(store)
    assert ended.code == 0
    assert ended.out.startswith(
        f"{campaign.id} nightly-2026-11-23 running: 2 edits: 2 pending; 0 API calls, 0s; "
    )
    assert ended.out.count("\n") == 1
    assert (campaign.kind, campaign.job, str(campaign.job_date)) == (
        "direct", "nightly", "2026-11-23",
    )  # fmt: skip
    told = shell("status", "--json").json
    assert (told["job"], told["job_date"]) == ("nightly", "2026-11-23")


def test_the_next_night_waits_for_this_one(shell: Shell, store: Store) -> None:
    """Exit 4, nothing stored; the same night again is only told, and costs nothing."""
    shell("submit", "edits.csv", *JOB, "--for", "2026-11-23")
    campaign = newest(store)
    edits(shell.folder, 3)
    ended = shell("submit", "edits.csv", *JOB, "--for", "2026-11-24")
    assert (ended.code, ended.out) == (4, "")
    assert f"Job nightly still has a run open: {campaign.id} nightly-2026-11-23" in ended.last_words
    assert len(store.campaigns.newest()) == 1
    edits(shell.folder, 1, 2)
    again = shell("submit", "edits.csv", *JOB, "--for", "2026-11-23")
    assert (again.code, "known already, not run again" in again.err) == (0, True)


def test_waiting_for_the_run_before_ends(shell: Shell, store: Store) -> None:
    """Within the time that was given, and then with the same words."""
    shell("submit", "edits.csv", *JOB, "--for", "2026-11-23")
    night = (*JOB, "--for", "2026-11-24", "--wait-for-previous", "1s")
    ended = shell("submit", "edits.csv", *night)
    assert ended.code == 4
    assert f"Waiting for the run before this one, {newest(store).id}" in ended.err
    assert "still has a run open" in ended.last_words


def test_a_day_that_is_over_wants_a_word(shell: Shell, store: Store) -> None:
    """A backfill is meant by somebody; a clock that is wrong is not."""
    shell("submit", "edits.csv", *JOB, "--for", "2026-11-23")
    run_to(store, f"{newest(store).id}.1", EditState.VERIFIED)
    edits(shell.folder, 3)
    ended = shell("submit", "edits.csv", *JOB, "--for", "2026-11-22")
    assert (ended.code, "Add --catch-up" in ended.last_words) == (4, True)
    assert shell("submit", "edits.csv", *JOB, "--for", "2026-11-22", "--catch-up").code == 0


@pytest.mark.parametrize(
    ("end", "code", "noop"),
    [
        (EditState.VERIFIED, 0, 0),
        (EditState.UNCHANGED, 0, 9),
        (EditState.SKIPPED, 0, 9),
        (EditState.FAILED, 3, 3),
    ],
)
def test_the_same_night_again_ends_with_the_runs_own_code(
    shell: Shell, store: Store, end: EditState, code: int, noop: int
) -> None:
    """A scheduler that tries again learns what came of it, with `--error-on-noop` as well."""
    shell("submit", "edits.csv", *JOB, "--for", "2026-11-23")
    run_to(store, f"{newest(store).id}.1", end)
    again = ("submit", "edits.csv", *JOB, "--for", "2026-11-23")
    assert shell(*again).code == code
    assert shell(*again, "--error-on-noop").code == noop
    assert shell(*again, "--error-on-noop", "--wait", "9s", "--json").code == noop
    assert len(store.campaigns.newest()) == 1


def test_a_cap_has_it_planned(shell: Shell, store: Store) -> None:
    """And a median that does not apply yet is told, not kept quiet."""
    caps = ("--max-changes", "3x-median", "--max-changes", "500", "--canary", "1")
    ended = shell("submit", "edits.csv", *JOB, "--for", "2026-11-23", *caps)
    campaign = newest(store)
    assert ended.code == 0
    assert campaign.state is CampaignState.PLANNING
    assert (campaign.run.max_changes, campaign.run.canary) == (500, 1)
    assert campaign.run.is_automatic
    assert "3x-median does not apply yet: it needs 5 finished runs" in ended.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--key", "k", "--for", "2026-11-23"), 2, "--for: a day needs a job"),
        (("--key", "k", "--max-changes", "3x-median"), 2, "a median needs a job"),
        (("--key", "k", "--canary", "0"), 2, "--canary '0': expected 1 or more"),
        (("--key", "k", "--webhook", "http://a.com"), 2, "CALPATCH_WEBHOOK_HOSTS"),
        (("--key", "k", "--notify", "held"), 2, "Add --webhook URL"),
        (("--job", "j", "--key", "k", "--wait-for-previous", "x"), 2, "--wait-for-previous 'x'"),
        ((), 2, "--key is missing. Give --key NAME, or --job NAME with --for DATE"),
    ],
)
def test_options_that_make_no_sense_store_nothing(
    shell: Shell, store: Store, options: tuple[str, ...], code: int, said: str
) -> None:
    """In one line, with what to give."""
    ended = shell("submit", "edits.csv", "--reason", "r", "--yes", *options)
    assert (ended.code, ended.err.count("\n")) == (code, 1)
    assert said in ended.last_words
    assert store.campaigns.latest() is None


@pytest.mark.parametrize("command", ["submit", "plan"])
def test_telling_somebody_needs_a_secret(shell: Shell, store: Store, command: str) -> None:
    """A message that anybody could have written proves nothing."""
    shell.setenv("CALPATCH_WEBHOOK_SECRET", "")
    told = ("--key", "k", "--reason", "r", "--webhook", "https://example.com/x")
    ended = shell(command, "edits.csv", *told, *(["--yes"] if command == "submit" else []))
    assert ended.code == 7
    assert "Not set: CALPATCH_WEBHOOK_SECRET" in ended.last_words
    assert store.campaigns.latest() is None


def test_who_is_told_is_stored(shell: Shell, store: Store) -> None:
    """With the campaign, so that workers know; no command shows the address."""
    told = ("--webhook", "https://example.com/s3cret", "--notify", "held,finished")
    ended = shell("submit", "edits.csv", *JOB, "--for", "2026-11-23", *told, "--json")
    assert ended.code == 0
    assert newest(store).notify == (
        '{"webhook":"https://example.com/s3cret","on":["held","finished"]}'
    )
    assert "s3cret" not in ended.out + ended.err + shell("status", "--json").out


# ------------------------------------------------------------------- campaign files


def test_a_campaign_file_begins_by_itself_only_with_yes(shell: Shell, store: Store) -> None:
    """Who is there to look shall look: that is what `plan` is for."""
    ended = shell("submit", "rooms.yaml", "--for", "2026-11-23")
    assert ended.code == 4
    assert "Run calpatch plan rooms.yaml, or add --yes" in ended.last_words
    assert store.campaigns.latest() is None


def test_a_campaign_file_says_its_reason_itself(shell: Shell, store: Store) -> None:
    """One of two would be lost."""
    ended = shell("submit", "rooms.yaml", "--yes", "--reason", "another", "--past-events")
    assert ended.code == 2
    assert "A campaign file says this itself: --reason, --past-events." in ended.last_words
    assert store is not None


# ------------------------------------------------------------------- the line


def test_the_line_has_one_form(store: Store, tmp_path: Path) -> None:
    """Scripts cut it up: id, key, state as single words, then counts, most first."""
    ends = (*ONE_OF_EACH, End(state=EditState.SKIPPED, code=Code.RECURRING))
    look = a_look(store, a_campaign(store, ends))
    assert outline(look).startswith(
        "c_1 key-c_1 completed_with_errors: 9 edits: 2 skipped, 1 conflict, 1 failed, 1 mismatch,"
        " 1 not_attempted, 1 unchanged, 1 unverified, 1 verified; 4 API calls, "
    )
    assert changed(look) == 3


def test_the_line_says_why_it_waits(store: Store) -> None:
    """Last, since it is of any form."""
    campaign = a_campaign(store, [End(state=EditState.PENDING)])
    store.steering.pause(campaign.id, actor="ann", reason="the board meets")
    look = a_look(store, store.campaigns.get("c_1"))  # type: ignore[arg-type]
    assert outline(look).endswith(f"; {why_it_waits(look)}")
    assert "the board meets" in outline(look)
