"""No secret and no event text where they do not belong, on a day on which everything fails (I7).

Canaries are planted as every secret and every text; then all that the run has left is searched for
them in many forms. The run itself is in `planted`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.security.canaries import Haystack
from tests.security.planted import (
    ASKED,
    EVENTS,
    FORGED,
    PEOPLE,
    PEOPLE_TEXTS,
    TEXTS,
    Evidence,
    bad_day,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("sqlite", id="sqlite"),
        pytest.param(
            "postgresql", id="postgresql", marks=[pytest.mark.postgres, pytest.mark.nightly]
        ),
    ],
)
def evidence(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """One bad day on each database."""
    folder: Path = tmp_path_factory.mktemp("canaries")
    url = f"sqlite:///{folder / 'calpatch.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create_database()
    return bad_day(folder, url)


def test_the_day_was_as_bad_as_planned(evidence: Evidence) -> None:
    """A calm day proves nothing: every kind of failure has been met, and said something."""
    logs = "".join(evidence.logs.values())
    assert "call.ended" in logs, "not at DEBUG"
    assert "RuntimeError at " in logs, "no task has failed with an error of its own"
    assert "outcome.not_recorded" in logs, "no statement has failed"
    assert "token.refreshed" in logs
    assert "TypeError" in logs, "no message with wrong arguments has been met"
    assert b"celeryev" in evidence.traffic, "no events"
    assert b"calpatch:bulk" in evidence.traffic
    assert b"celery" in evidence.arguments
    assert [line for line in evidence.logs["json.log"].splitlines() if _is_json(line)]
    assert sum(evidence.states.values()) == PEOPLE * EVENTS
    assert evidence.states.get("verified", 0) >= PEOPLE * EVENTS // 2, evidence.states
    assert sum(name.startswith("token ") for name in evidence.secrets) > 2 * PEOPLE


def test_no_log_holds_a_canary(evidence: Evidence) -> None:
    """At DEBUG, plain and JSON, with tracebacks; forged messages are not repeated either."""
    for name, text in evidence.logs.items():
        found = Haystack(text).found(evidence.secrets | evidence.personal | FORGED)
        assert not found, name


def test_no_log_obeys_an_event(evidence: Evidence) -> None:
    """A title's escape sequences would run on the terminal of whoever reads the log."""
    for name, text in evidence.logs.items():
        assert "\x1b" not in text, name
        assert "<script" not in text, name


def test_no_command_says_a_secret(evidence: Evidence) -> None:
    """Whatever is typed, whatever is wrong with the settings, `--json` or not."""
    assert len(evidence.said) > 20
    for name, text in evidence.said.items():
        assert not Haystack(text).found(evidence.secrets), name


def test_only_why_and_show_show_an_event_s_text(evidence: Evidence) -> None:
    """They say so in their help; other commands are pasted into tickets."""
    shows = {"why", "show --diff", "show --only all --json"}
    assert shows <= {*evidence.said}
    for name, text in evidence.said.items():
        allowed = {*TEXTS, *ASKED} if name in shows else set[str]()
        assert not Haystack(text).found(evidence.personal, allowed=allowed), name


def test_no_command_lets_a_terminal_be_driven(evidence: Evidence) -> None:
    """Control characters of a title are shown, never sent."""
    for name, text in evidence.said.items():
        assert not [char for char in text if not char.isprintable() and char != "\n"], name


def test_redis_never_holds_a_canary(evidence: Evidence) -> None:
    """Neither keys nor values, in the middle and at the end."""
    assert b"calpatch:" in evidence.redis
    assert not Haystack(evidence.redis).found(evidence.secrets | evidence.personal)


def test_redis_is_never_sent_a_canary(evidence: Evidence) -> None:
    """All commands of all processes as MONITOR shows them: messages, scripts, Celery's events."""
    assert not Haystack(evidence.traffic).found(evidence.secrets | evidence.personal)


def test_no_process_has_a_canary_among_its_arguments(evidence: Evidence) -> None:
    """Every user of the machine can read them."""
    assert not Haystack(evidence.arguments).found(evidence.secrets | evidence.personal)


def test_sql_holds_no_secret(evidence: Evidence) -> None:
    """All columns of all tables; of SQLite the bytes of the files too, the log included."""
    assert {"accounts", "edits", "audit", "campaigns"} <= set(evidence.sql)
    for name, data in evidence.sql.items():
        assert not Haystack(data).found(evidence.secrets), name


def test_sql_holds_nothing_of_other_people(evidence: Evidence) -> None:
    """Guests, organizers and profile names are not needed, so they are not kept."""
    for name, data in evidence.sql.items():
        assert not Haystack(data).found(PEOPLE_TEXTS), name


def test_the_audit_holds_no_text(evidence: Evidence) -> None:
    """It is kept longest, and cannot be changed: it has keyed digests instead."""
    assert not Haystack(evidence.sql["audit"]).found(evidence.personal)


def test_sql_holds_no_text_of_an_event(evidence: Evidence) -> None:
    """What was read can be read with the key only; what the input asks stands in the input's."""
    for name, data in evidence.sql.items():
        assert not Haystack(data).found(TEXTS), name


def test_results_hold_no_secret(evidence: Evidence) -> None:
    """They are handed to whoever asked for the change."""
    assert evidence.results
    assert not Haystack(evidence.results).found(evidence.secrets | PEOPLE_TEXTS)


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
