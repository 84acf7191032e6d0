"""Commands that ask Redis, a simulated API, or both: limits, doctor, accounts check, simulate."""

from __future__ import annotations

import asyncio
import csv
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.unit.cli.commands import Shell, complete_settings
from worker.app import limiter_of
from worker.embedded import ValkeyServer
from worker.limits import open_limiter, parse_rate
from worker.settings import Settings
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET

pytestmark = pytest.mark.redis


@pytest.fixture
def shell(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    redis_url: str,
) -> Shell:
    """A folder with complete settings and a Valkey."""
    return Shell(tmp_path, monkeypatch, capsys, complete_settings(redis_url))


@contextmanager
def simulated(folder: Path, *switches: str) -> Iterator[str]:
    """Run `calpatch simulate` on a free port; gives its address, and ends it with SIGTERM."""
    command = [sys.executable, "-m", "worker.cli", "simulate", "--port", "0", "--accounts", "2"]
    command += ["--events", "12", "--accounts-out", "accounts.csv", "--edits-out", "edits.csv"]
    command += ["--rate", "off", *switches]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next(
            line.partition("listening on ")[2].split()[0]
            for line in process.stderr
            if "listening on " in line
        )
        try:
            yield address
        finally:
            process.terminate()
            assert process.wait(10) == 0


def statuses(shell: Shell) -> dict[str, str]:
    """Return the doctor's verdicts by name."""
    return {each["name"]: each["status"] for each in shell("doctor", "--json").json}


# ------------------------------------------------------------------- limits


def test_limits_show_windows_share_and_use(shell: Shell, redis_url: str) -> None:
    """What the API allows, what calpatch may take of it, and what is gone already."""
    asyncio.run(_use(redis_url, calls=3))
    ended = shell("limits")
    assert ended.code == 0
    assert [line.split() for line in ended.out.splitlines()[1:3]] == [
        ["1", "s", "50", "35", "3"],
        ["60", "s", "500", "350", "3"],
    ]
    assert "calpatch may use 70%" in ended.out


def test_a_pause_is_shown(shell: Shell, redis_url: str) -> None:
    """The API asked everybody to slow down."""
    asyncio.run(_use(redis_url, calls=1, pause_s=30))
    assert shell("limits", "--json").json["limiter"]["paused_for_s"] > 20
    assert "all calls are paused for" in shell("limits").out


def test_limits_without_redis_say_that_nothing_is_sent(shell: Shell) -> None:
    """Law 7: no limiter, no call."""
    shell.setenv("CALPATCH_REDIS_URL", "redis://:hidden@127.0.0.1:9/0")
    ended = shell("limits", "--json")
    assert ended.code == 7
    assert ended.json["limiter"] is None
    assert "nothing is sent" in ended.last_words
    assert "hidden" not in ended.out + ended.err


@pytest.mark.parametrize(("margin", "longest_s"), [("0s", 10.0), ("1s", 11.0)])
def test_the_margin_is_added_to_each_window(redis_url: str, margin: str, longest_s: float) -> None:
    """A slot comes free that much later than the API says: what arrives late still fits."""
    assert longest_s - 0.9 < asyncio.run(_free_in_s(redis_url, margin=margin)) <= longest_s


async def _free_in_s(redis_url: str, *, margin: str) -> float:
    environ = {"REDIS_URL": redis_url, "RATE": "1/10s", "SHARE": "100%", "RATE_MARGIN": margin}
    limiter = limiter_of(
        Settings.load({f"CALPATCH_{name}": value for name, value in environ.items()})
    )
    try:
        await limiter.acquire()
        return (await limiter.state()).free_in_s
    finally:
        await limiter.aclose()


async def _use(redis_url: str, *, calls: int, pause_s: float = 0) -> None:
    settings = Settings.load({})
    limiter = open_limiter(
        redis_url, rate=parse_rate(settings.rate), share=settings.share, settle_s=0
    )
    try:
        await limiter.acquire(calls)
        if pause_s:
            await limiter.pause(pause_s)
    finally:
        await limiter.aclose()


# ------------------------------------------------------------------- doctor


def test_the_doctor_names_what_is_missing_from_the_top_down(shell: Shell) -> None:
    """Nothing set up: every line says what to do, in the order in which to do it."""
    for name in ("CALPATCH_VAULT_KEYS", "CALPATCH_CRONOFY_CLIENT_ID"):
        shell.setenv(name, "")
    ended = shell("doctor")
    assert ended.code == 7
    words = [line.split()[:2] for line in ended.out.splitlines()]
    assert words[0] == ["fail", "settings"]
    assert ["fail", "database"] in words
    assert "Run `calpatch migrate`" in ended.out
    assert list(shell.folder.iterdir()) == []


def test_the_doctor_is_content_when_all_is_there(shell: Shell) -> None:
    """Warnings alone are no failure."""
    with simulated(shell.folder) as address:
        shell.setenv("CALPATCH_API_URL", address)
        shell("migrate")
        shell("accounts", "import", "accounts.csv")
        ended = shell("doctor")
        found = statuses(shell)
    assert ended.code == 0
    assert {
        found[name] for name in ("settings", "rate", "database", "redis", "eviction", "api")
    } == {"ok"}
    assert (found["vault"], found["accounts"]) == ("ok", "ok")
    assert (found["clock"], found["workers"], found["aof"]) == ("warn", "warn", "warn")
    assert "Start it: calpatch beat" in ended.out


def test_a_redis_that_forgets_fails(shell: Shell, valkey: ValkeyServer) -> None:
    """An evicted log of the limit is a limit that is exceeded."""
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert statuses(shell)["eviction"] == "fail"
        finally:
            client.config_set("maxmemory-policy", "noeviction")


def test_a_key_that_opens_nothing_fails(shell: Shell) -> None:
    """Found before the night's run rather than in it."""
    shell("migrate")
    (shell.folder / "a.csv").write_text("sub,access_token,refresh_token\nacc_1,a,r\n")
    shell("accounts", "import", "a.csv")
    shell.setenv("CALPATCH_VAULT_KEYS", shell("keys", "new").out.strip())
    assert statuses(shell)["vault"] == "fail"


# ------------------------------------------------------------------- accounts check, simulate


def test_accounts_are_checked_against_the_api(shell: Shell) -> None:
    """Connected, and with calendars that may be edited; a revoked one is exit 7."""
    with simulated(shell.folder) as address:
        shell.setenv("CALPATCH_API_URL", address)
        shell.setenv("CALPATCH_CRONOFY_CLIENT_ID", SIM_CLIENT_ID)
        shell.setenv("CALPATCH_CRONOFY_CLIENT_SECRET", SIM_CLIENT_SECRET)
        shell("migrate")
        shell("accounts", "import", "accounts.csv")
        ended = shell("accounts", "check", "--json")
        assert ended.code == 0
        assert [each["status"] for each in ended.json] == ["active", "active"]
        assert all(each["elevated"] >= 1 for each in ended.json)
        assert "not checked" not in shell("accounts", "list").out
        _spoil(shell)
        assert shell("accounts", "check").code == 7


def _spoil(shell: Shell) -> None:
    """Give the first account tokens that the API does not know."""
    with (shell.folder / "accounts.csv").open(newline="") as file:
        sub = next(csv.DictReader(file))["sub"]
    (shell.folder / "bad.csv").write_text(f"sub,access_token,refresh_token\n{sub},no,no\n")
    shell("accounts", "import", "bad.csv")


def test_the_simulators_files_are_good_input(shell: Shell) -> None:
    """What `simulate` writes is what `accounts import` and `validate` read."""
    with simulated(shell.folder):
        shell("migrate")
        assert shell("accounts", "import", "accounts.csv").out.startswith("2 accounts imported")
        assert shell("validate", "edits.csv").out.startswith("25 edits for 2 accounts")


@pytest.mark.parametrize(
    "options", [("--rate", "fast"), ("--behaviour", "nonsense=1"), ("--faults", "none.json")]
)
def test_a_simulator_that_makes_no_sense_is_one_line(
    shell: Shell, options: tuple[str, str]
) -> None:
    """Exit 2, like any wrong option."""
    ended = shell("simulate", "--port", "0", *options)
    assert ended.code == 2
    assert ended.last_words.startswith("calpatch: ")
    assert "Traceback" not in ended.err
