"""Settings: one table, all faults at once and by name, no value of a secret anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import SettingsError
from worker.settings import Settings, seconds, share


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        (" 1.5 m ", 90.0),
        ("15min", 900.0),
        ("2h", 7200.0),
        ("2d", 172_800.0),
        ("250ms", 0.25),
        (7, 7.0),
        (0.5, 0.5),
    ],
)
def test_durations_are_read(text: str | float, expected: float) -> None:
    """People write durations in the unit they think in."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-5s", "1h30m", "1,5s", "nan", "inf", "5 weeks", -1])
def test_what_is_no_duration_is_refused(text: str | float) -> None:
    """Saying what would be one."""
    with pytest.raises(ValueError, match="expected a duration such as 90s, 15m or 2h"):
        seconds(text)


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "min", "h", "d", ""]))
def test_every_whole_number_is_a_duration_in_every_unit(number: int, unit: str) -> None:
    """No unit is read as another one."""
    assert seconds(f"{number}{unit}") == pytest.approx(number * seconds(f"1{unit}"))


@pytest.mark.parametrize(
    ("text", "expected"), [("70%", 0.7), (" 0.7 ", 0.7), (0.25, 0.25), ("100%", 1.0), (1, 1.0)]
)
def test_shares_are_read(text: str | float, expected: float) -> None:
    """As a percentage, or as a part of one."""
    assert share(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["0", "0%", "101%", "70", "-1%", "nan", "half", "", "%", "7 0%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    """A share of 70 would be a limit exceeded seventy times."""
    with pytest.raises(ValueError, match="expected a share above 0% and up to 100%"):
        share(text)


# ---------------------------------------------------------------- loading


def test_the_defaults_are_whole() -> None:
    """Nothing must be set to look around; what a command needs, it asks for itself."""
    settings = Settings.load({})
    assert settings.database_url == "sqlite:///calpatch.db"
    assert (settings.rate, settings.share) == ("50/s,500/min", 0.7)
    assert settings.keys == []


def test_every_setting_is_described() -> None:
    """README's table is made from it."""
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_names_have_one_prefix() -> None:
    """Settings of other programs are not ours, and neither are misspelt ones."""
    given_ = {"CALPATCH_LEASE": "2m", "LEASE": "9m", "CALPATCH_SHARE": "50%", "PATH": "/bin"}
    settings = Settings.load(given_)
    assert (settings.lease, settings.share) == (120.0, 0.5)


def test_what_is_given_stands_for_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A test or an embedding program that gives its own gets nothing of the process's."""
    monkeypatch.setenv("CALPATCH_RATE", "1/s")
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("CALPATCH_SHARE=10%\n")
    settings = Settings.load({})
    assert (settings.rate, settings.share) == ("50/s,500/min", 0.7)
    assert type(settings) is Settings


def test_the_environment_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file is what stays, the environment what is meant now."""
    monkeypatch.setenv("CALPATCH_RATE", "1/s")
    file = tmp_path / "settings"
    file.write_text("CALPATCH_RATE=2/s\nCALPATCH_SHARE=10%\nOTHER=x\n")
    settings = Settings.load(env_file=file)
    assert (settings.rate, settings.share) == ("1/s", 0.1)
    assert Settings.load(env_file=None).share == 0.7


def test_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`CALPATCH_X=` is how compose files pass what is not set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALPATCH_BATCH_SIZE", "")
    monkeypatch.setenv("CALPATCH_API_URL", "")
    for settings in (Settings.load(), Settings.load({"CALPATCH_BATCH_SIZE": ""})):
        assert (settings.batch_size, settings.api_url) == (50, None)


@pytest.mark.row(39)
def test_all_faults_are_told_at_once_without_their_values() -> None:
    """By the variable's name; a value may be a password in the wrong place."""
    names = ("LEASE", "SHARE", "BATCH_SIZE", "BATCH_COUNTS_AS", "LOG_LEVEL", "LOG_JSON")
    with pytest.raises(SettingsError) as caught:
        Settings.load({f"CALPATCH_{name}": "canary" for name in names})
    said = str(caught.value)
    assert "canary" not in said
    assert "\n" not in said
    assert all(f"CALPATCH_{name}: " in said for name in names)
    assert said.endswith("See the settings table in README")
    assert caught.value.__cause__ is None
    assert caught.value.exit_code == 7


@pytest.mark.row(39)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BATCH_SIZE", "51"),
        ("BATCH_SIZE", "0"),
        ("CHUNK_SIZE", "5001"),
        ("WINDOW", "0"),
        ("LEASE", "0"),
        ("SWEEP_EVERY", "0s"),
        ("SHARE", "0%"),
    ],
)
def test_poisonous_settings_are_refused_at_the_start(name: str, value: str) -> None:
    """A batch of 51 is refused by the API, a lease of zero by nobody (faults 39)."""
    with pytest.raises(SettingsError, match=f"CALPATCH_{name}: "):
        Settings.load({f"CALPATCH_{name}": value})


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """One line, and nothing of its content."""
    file = tmp_path / "settings"
    file.write_bytes(b"CALPATCH_VAULT_KEYS=canary\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"cannot be read\. Save it as UTF-8 text") as caught:
        Settings.load(env_file=file)
    assert "canary" not in str(caught.value)


def test_log_levels_are_read_in_any_case() -> None:
    """And are kept in one."""
    assert Settings.load({"CALPATCH_LOG_LEVEL": "debug"}).log_level == "DEBUG"


# ---------------------------------------------------------------- secrets and needs


def test_secrets_are_in_no_repr() -> None:
    """Settings end in logs sooner or later: passwords of addresses too (law 9)."""
    settings = Settings.load(
        {
            "CALPATCH_DATABASE_URL": "postgresql://app:canary@host/db",
            "CALPATCH_REDIS_URL": "redis://:canary@host",
            "CALPATCH_API_URL": "http://user:canary@host",
            "CALPATCH_CRONOFY_CLIENT_SECRET": "canary",
            "CALPATCH_VAULT_KEYS": "canary",
        }
    )
    assert "canary" not in f"{settings!r} {settings}"
    assert settings.cronofy_client_secret.get_secret_value() == "canary"


def test_settings_do_not_change() -> None:
    """What a process began with holds until its end."""
    with pytest.raises(ValueError, match="frozen"):
        Settings.load({}).lease = 5


def test_keys_are_listed_in_order() -> None:
    """The first one seals; spaces and empty places mean nothing."""
    assert Settings.load({"CALPATCH_VAULT_KEYS": " new , old,,"}).keys == ["new", "old"]


def test_what_is_needed_and_missing_is_named_at_once() -> None:
    """Not one after the other, and with the way to make a key."""
    settings = Settings.load({"CALPATCH_CRONOFY_CLIENT_ID": "id"})
    settings.need("cronofy_client_id")
    with pytest.raises(SettingsError) as caught:
        settings.need("cronofy_client_id", "cronofy_client_secret", "vault_keys")
    assert str(caught.value) == (
        "Not set: CALPATCH_CRONOFY_CLIENT_SECRET, CALPATCH_VAULT_KEYS. Set it in the environment"
        " or in .env; `calpatch keys new` makes a vault key"
    )
