"""Searching the audit, an event's story, lists and steering, as the command line has them."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.commands import Shell
from tests.unit.report.campaigns import ONE_OF_EACH, End, a_campaign, a_store, uid
from worker.model import CampaignState, EditState, Run
from worker.rules import parse_window
from worker.store import Note, Store

OPEN = (End(state=EditState.PENDING), End(state=EditState.PENDING))
WHY = ("--reason", "the board meets")
_S = CampaignState


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A folder with complete settings; whoever asks is called ann."""
    bare_shell.setenv("LOGNAME", "ann")
    return bare_shell


@pytest.fixture
def store(shell: Shell) -> Store:
    """The commands' own database, migrated."""
    return a_store(shell.folder / "calpatch.db")


def in_state(store: Store, name: str, state: CampaignState) -> None:
    """Put a campaign into a state, whatever led there."""
    with store.database.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE campaigns SET state = '{state}', state_reason = '' WHERE id = '{name}'"
        )


# ---------------------------------------------------------------- audit search


def test_a_search_tells_who_did_what_and_why(shell: Shell, store: Store) -> None:
    """One entry a line, oldest first; what is left out is said."""
    a_campaign(store, OPEN)
    shell("pause", "c_1", *WHY)
    shell("resume", "c_1", "--reason", "they are done")
    ended = shell("audit", "search", "--actor", "ann")
    lines = [line.split("  ", 2) for line in ended.out.splitlines()]
    assert [(by, said) for _, by, said in lines] == [
        ("ann", "paused it: the board meets  [c_1]"),
        ("ann", "let it go on: they are done  [c_1]"),
    ]
    assert ended.last_words.startswith("Entries about single lines are left out")
    assert ended.code == 0


def test_a_search_as_json_is_one_list_with_all_that_the_text_has(
    shell: Shell, store: Store
) -> None:
    """An object on each line, so that a large one can be read as it comes."""
    a_campaign(store, ONE_OF_EACH)
    found = shell("audit", "search", "--campaign", "key-c_1", "--json")
    text = shell("audit", "search", "--campaign", "c_1").out.splitlines()
    assert len(found.json) == len(text) == len(found.out.splitlines()) - 2
    for entry, line in zip(found.json, text, strict=True):
        assert all(str(entry[name]) in line for name in ("actor", "said", "campaign_id"))
        assert entry["line_no"] is None or f"line {entry['line_no']}]" in line
        assert isinstance(entry["detail"], dict)


def test_a_search_combines_what_it_is_given(shell: Shell, store: Store) -> None:
    """An event within a campaign, an action, a time."""
    a_campaign(store, ONE_OF_EACH)
    some = ("--event", uid(2), "--campaign", "c_1", "--since", "1h", "--action", "edit.verified")
    (found,) = shell("audit", "search", *some, "--json").json
    assert (found["line_no"], found["action"]) == (2, "edit.verified")
    none = shell("audit", "search", *some, "--actor", "nobody", "--json")
    assert (none.code, none.json) == (0, [])
    assert "No entry of the audit is like that" in none.err


def test_entries_of_everybody_and_of_accounts_say_what_they_are_about(
    shell: Shell, store: Store
) -> None:
    """A freeze is about no campaign."""
    shell("freeze", "--all", *WHY)
    store.audit.note("account:acc_1", [Note(actor="ann", action="account.erasing")])
    out = shell("audit", "search", "--actor", "ann").out.splitlines()
    assert out[0].endswith("  ann  froze everything: the board meets")
    assert out[1].endswith("  ann  began to erase the account  [account:acc_1]")
    alone = shell("audit", "search", "--account", "acc_1")
    assert (len(alone.out.splitlines()), alone.err) == (1, "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Give one of --event, --actor, --campaign, --account, --since, --action"),
        (("--action", "campaign.aproved"), "did you mean campaign.approved?"),
        (("--action", "zzz"), "expected one of account.active"),
        (("--since", "7w"), "expected a duration such as 90m, 24h or 7d"),
        (("--campaign", "c_none"), "No campaign has the id or key c_none"),
    ],
)
def test_a_search_for_what_cannot_be_is_refused(
    shell: Shell, store: Store, options: tuple[str, ...], said: str
) -> None:
    """Exit 2: an empty answer to a mistyped question would be taken for the truth."""
    ended = shell("audit", "search", *options)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.last_words
    assert store is not None


def test_no_search_shows_an_events_text(shell: Shell, store: Store) -> None:
    """The audit holds none."""
    a_campaign(store, [End(state=EditState.VERIFIED, summary="Secret merger")])
    ended = shell("audit", "search", "--campaign", "c_1", "--json")
    assert "Secret" not in ended.out
    assert "Secret" in shell("why", uid(2)).out


# ---------------------------------------------------------------- why


def test_why_may_be_asked_of_one_account(shell: Shell, store: Store) -> None:
    """The same event may be in the calendars of several people."""
    a_campaign(store, [End(state=EditState.VERIFIED, account="acc_1")], name="c_1")
    a_campaign(store, [End(state=EditState.SKIPPED, account="acc_2")], name="c_2")
    assert len(shell("why", uid(2), "--json").json) == 2
    (only,) = shell("why", uid(2), "--account", "acc_2", "--json").json
    assert (only["campaign"], only["account"]) == ("c_2", "acc_2")
    ended = shell("why", uid(2), "--account", "acc_3")
    assert (ended.code, ended.out) == (2, "")
    assert "leave --account out" in ended.last_words


def test_why_says_that_lines_have_been_pruned(shell: Shell, store: Store) -> None:
    """Or nobody would know that there may have been one."""
    a_campaign(store, [End(state=EditState.VERIFIED)])
    with store.database.begin() as connection:
        connection.exec_driver_sql("UPDATE campaigns SET pruned_at = submitted_at")
        connection.exec_driver_sql("DELETE FROM edits")
    ended = shell("why", uid(2))
    assert ended.code == 2
    assert "the lines of 1 campaign have been pruned" in ended.last_words


def test_why_tells_the_rule_of_a_campaign_file(shell: Shell, store: Store) -> None:
    """In the words of `validate`; a file of another version costs nobody the story."""
    a_campaign(store, [End(state=EditState.VERIFIED)])
    ops = [{"kind": "shift", "seconds": 3600}]
    spec = {"name": "n", "reason": "r", "ops": ops, "select": SELECT}
    for stored, rule in ((json.dumps(spec), ["moves it 1 h later, by the clock on the wall"]),
                         ('{"name": 1}', [])):  # fmt: skip
        with store.database.begin() as connection:
            connection.exec_driver_sql("UPDATE campaigns SET spec = ?", (stored,))
        (found,) = shell("why", uid(2), "--json").json
        assert found["rule"] == rule
    assert "  asked      line 2 of edits.csv" in shell("why", uid(2)).out


SELECT = {"between": {"first": "2026-03-01", "after": "2026-04-01", "tzid": "Europe/Paris"}}


def test_why_of_a_jsonl_line_has_its_values_one_by_one(shell: Shell, store: Store) -> None:
    """Not the whole line in a row, cut at its end."""
    line = json.dumps({"account": "acc_1", "event_uid": uid(2), "shift": "PT1H", "set": {"a": 1}})
    a_campaign(store, [End(state=EditState.VERIFIED)], columns=["line"], cells=[[line]])
    out = shell("why", uid(2)).out
    assert "shift = PT1H" in out
    assert 'set = {"a":1}' in out
    assert "acc_1" not in out


# ---------------------------------------------------------------- list


def test_a_list_says_why_campaigns_wait_and_that_there_are_more(shell: Shell, store: Store) -> None:
    """The reason stands apart from the state (features §2, 3)."""
    a_campaign(store, ONE_OF_EACH, name="c_1")
    a_campaign(store, OPEN, name="c_2")
    assert "why" not in shell("list").out
    shell("pause", "c_2", *WHY)
    ended = shell("list", "--limit", "1")
    assert "the board meets" in ended.out
    assert ended.last_words == "There are more: calpatch list --limit 10"
    (paused,) = shell("list", "--state", "paused", "--json").json
    assert (paused["state_reason"], paused["kind"]) == ("the board meets", "direct")


def test_a_list_of_the_last_time(shell: Shell, store: Store) -> None:
    """And what is said when there is none."""
    assert shell("list").last_words == "There is no campaign yet"
    a_campaign(store, OPEN)
    assert len(shell("list", "--since", "1h", "--json").json) == 1
    none = shell("list", "--since", "0s", "--state", "paused")
    assert none.last_words == "No campaign is paused in the last 0s"
    assert shell("list", "--since", "soon").code == 2


# ---------------------------------------------------------------- steering


def test_a_pause_is_told_and_a_second_one_names_the_first(shell: Shell, store: Store) -> None:
    """Both are well; a machine is told which of them changed something."""
    a_campaign(store, OPEN)
    first = shell("pause", "c_1", *WHY)
    assert first.out == (
        "c_1 is paused, in force on every worker within 2 s\n"
        "Let it go on: calpatch resume c_1 --reason TEXT\n"
    )
    again = shell("pause", "c_1", "--reason", "me too")
    assert "is paused already (paused by ann since " in again.out
    assert (first.code, again.code) == (0, 0)
    told = shell("pause", "c_1", *WHY, "--json").json
    assert (told["state"], told["changed"]) == ("paused", False)


@pytest.mark.parametrize(
    ("command", "state", "said"),
    [
        ("pause", _S.COMPLETED, "cannot be paused: it is completed. See what came of it"),
        ("pause", _S.PLANNING, "it is planning. It only reads; to end it: calpatch reject c_1"),
        ("resume", _S.AWAITING_APPROVAL, "It sends nothing before `calpatch apply c_1"),
        ("resume", _S.CANCELLING, "it is cancelling. Follow it: calpatch status c_1 --watch"),
        ("cancel", _S.CANCELLED, "cannot be cancelled: it is cancelled"),
        ("resume", _S.EXPIRED, "cannot be resumed: it is expired"),
    ],
)
def test_what_cannot_be_done_now_names_what_can(
    shell: Shell, store: Store, command: str, state: CampaignState, said: str
) -> None:
    """Exit 4, and one line."""
    a_campaign(store, OPEN)
    in_state(store, "c_1", state)
    ended = shell(command, "c_1", *WHY)
    assert (ended.code, ended.out, ended.err.count("\n")) == (4, "", 1)
    assert said in ended.last_words


def test_what_is_not_paused_is_not_resumed(shell: Shell, store: Store) -> None:
    """And its threshold is not left as it was without a word."""
    a_campaign(store, OPEN)
    ended = shell("resume", "c_1", *WHY)
    assert (ended.code, ended.out.splitlines()[0]) == (0, "c_1 is not paused: it goes on already")
    in_state(store, "c_1", _S.SCHEDULED)
    assert "not paused: it waits for its hours" in shell("resume", "c_1", *WHY).out
    ended = shell("resume", "c_1", *WHY, "--max-failures", "20%")
    assert ended.code == 4
    assert ended.last_words.endswith("calpatch tune c_1 max-failures=20% --reason TEXT")


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("held: canary: 2 are not proven", "what waited for its canary follows"),
        ("lunch", "c_1 is going on, in force"),
    ],
)
def test_a_resumed_campaign_says_what_goes_on(
    shell: Shell, store: Store, why: str, said: str
) -> None:
    """The rest of a canary follows: somebody has decided that."""
    a_campaign(store, OPEN)
    store.steering.pause("c_1", actor="bob", reason=why)
    assert said in shell("resume", "c_1", *WHY).out


def test_a_resumed_campaign_with_hours_waits_for_them(shell: Shell, store: Store) -> None:
    """ "Going on" would be a promise."""
    a_campaign(store, OPEN)
    run = Run(windows=(parse_window("20:00-06:00@Europe/Paris"),))
    store.steering.tune("c_1", actor="bob", reason="nights", run=run)
    store.steering.pause("c_1", actor="bob", reason="lunch")
    assert "is not paused any more, and sends in its hours" in shell("resume", "c_1", *WHY).out


def test_tuning_is_shown_by_name_and_changed_with_a_reason(shell: Shell, store: Store) -> None:
    """`name=?` asks; a change says what is in force now."""
    a_campaign(store, OPEN)
    assert shell("tune", "c_1", "share=?", "--json").json["tuning"] == {"share": "none"}
    assert [line.split()[0] for line in shell("tune", "c_1").out.splitlines()] == [
        "share", "max-rps", "batch", "max-failures",
    ]  # fmt: skip
    ended = shell("tune", "c_1", "share=50%", "batch=25", *WHY)
    assert ended.code == 0
    assert ended.out.endswith("c_1 is tuned, in force on every worker within 2 s\n")
    assert "tuned    share=50%, batch=25\n" in shell("status", "c_1").out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("share=50%",), "tune needs a reason to change anything. Add --reason TEXT"),
        (("share=0", *WHY), "expected a share above 0% and up to 100%"),
        (("shar=10%", *WHY), "no such thing to tune. Did you mean share?"),
        (("zz=?",), "Give one of share, max-rps, batch, max-failures"),
        (("share", *WHY), "no value. Such as share=…, or share=? to see"),
        (("share=?", "batch=5", *WHY), "tune either shows or changes"),
        (("max-failures=lots", *WHY), "write a share such as 5%, a number, or none"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(
    shell: Shell, store: Store, changes: tuple[str, ...], said: str
) -> None:
    """Exit 2, and nothing was changed."""
    a_campaign(store, OPEN)
    ended = shell("tune", "c_1", *changes)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert said in ended.last_words
    found = store.campaigns.get("c_1")
    assert found is not None
    assert found.run == Run()


def test_a_freeze_and_its_end_say_what_they_did(shell: Shell, store: Store) -> None:
    """Twice as well: who was first, and that there was nothing to end."""
    a_campaign(store, OPEN)
    first = shell("freeze", "--all", "--reason", "incident 4711")
    assert "1 campaign paused, and none begins" in first.out
    again = shell("freeze", "--all", "--reason", "incident 4712")
    assert "was frozen already, by ann since " in again.out
    assert "incident 4711. It has your reason now" in again.out
    assert "everything is frozen by ann since " in shell("status", "c_1").out
    refused = shell("resume", "c_1", *WHY)
    assert (refused.code, "unfreeze --all" in refused.last_words) == (4, True)
    assert "1 campaign going on" in shell("unfreeze", "--all", *WHY).out
    assert shell("unfreeze", "--all", *WHY).out == "Nothing was frozen\n"
    assert shell("freeze", *WHY).code == 2


def test_a_freeze_of_nothing_says_so(shell: Shell, store: Store) -> None:
    """It holds all the same."""
    assert "no campaign was sending, and none begins" in shell("freeze", "--all", *WHY).out
    assert shell("freeze", "--all", *WHY, "--json").json["was_frozen"] is True
    assert "it had paused nothing" in shell("unfreeze", "--all", *WHY).out
    assert store is not None


def test_a_plan_can_be_cancelled_while_it_is_made(shell: Shell, store: Store) -> None:
    """Before anybody has looked at it; to do so twice is well, too."""
    a_campaign(store, OPEN)
    in_state(store, "c_1", _S.PLANNING)
    ended = shell("cancel", "c_1", *WHY)
    said = "c_1 is being cancelled, in force on every worker within 2 s"
    assert (ended.code, ended.out.splitlines()[0]) == (0, said)
    assert "being cancelled by ann since " in shell("status", "c_1").out
    assert "being cancelled already" in shell("cancel", "c_1", *WHY).out
