"""All settings, in one table: name, type, default, meaning. Nothing else reads the environment.

Every name is an environment variable with the prefix `CALPATCH_` (or a line of a `.env` file in the
working folder). `Settings.load()` reports all faults at once, by name, without their values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from worker.errors import SettingsError

_PREFIX = "CALPATCH_"
_DURATION = re.compile(r"(?P<n>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|min|h|d)?")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
#: a margin as long as the shortest window would halve the rate
_LONGEST_MARGIN_S = 1.0


def seconds(text: str | float) -> float:
    """Return seconds for "90", "90s", "15m", "1h", "2d"; ValueError says what is expected."""
    found = _DURATION.fullmatch(str(text).strip())
    if found is None:
        raise ValueError("expected a duration such as 90s, 15m or 2h")
    return float(found["n"]) * _UNIT_S[found["unit"]]


def period(text: str | float | None) -> float | None:
    """Return seconds as `seconds` does, and None for "forever"."""
    if text is None or str(text).strip() == "forever":
        return None
    try:
        return seconds(text)
    except ValueError:
        raise ValueError("expected a duration such as 90d, or forever") from None


def share(text: str | float) -> float:
    """Return a share in (0, 1] for "70%" or 0.7; ValueError says what is expected."""
    plain = str(text).strip()
    try:
        number = float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)
    except ValueError:
        number = math.nan
    if not 0 < number <= 1:
        raise ValueError("expected a share above 0% and up to 100%, such as 70%")
    return number


class Settings(BaseSettings):
    """What a deployment sets. The field's description is what README's table shows."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=".env",
        # `CALPATCH_X=` is how compose files pass what is not set.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: str = Field(
        "sqlite:///calpatch.db",
        repr=False,  # it may hold a password
        description="SQL database: sqlite:///FILE or postgresql://user@host/db",
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        repr=False,
        description="Redis or Valkey: messages and the shared rate limiter",
    )
    cronofy_client_id: str = Field("", description="OAuth client id of your Cronofy application")
    cronofy_client_secret: SecretStr = Field(SecretStr(""), description="OAuth client secret")
    vault_keys: SecretStr = Field(
        SecretStr(""),
        description="Fernet keys, comma-separated: the first seals tokens, all open them",
    )
    seal_images: bool = Field(
        True,
        description="whether what is stored of events is sealed; false while workers of versions"
        " before this one run beside it",
    )
    keep_images: float | None = Field(
        90 * 86400.0,
        description="how long `calpatch prune` keeps what is stored of events after a campaign has"
        " ended, or forever",
    )
    keep_outcomes: float | None = Field(
        None, description="the same for the outcomes of its lines; without it, forever"
    )
    api_url: str | None = Field(
        None,
        repr=False,
        description="operator's override of the data center's URL: the simulator, a proxy",
    )
    rate: str = Field(
        "50/s,500/min", description="the application's limits, all windows that apply"
    )
    share: float = Field(0.7, description="part of the limits that calpatch may use")
    rate_margin: float = Field(
        0.1,
        description="what calls may be late by on their way to the API: added to each window of the"
        " rate, it costs a tenth of one of a second; less of it risks refusals",
    )
    batch_counts_as: Literal["each", "one"] = Field(
        "each", description="what a batch costs at the limit: each entry, or one (unknown)"
    )
    omitted_fields: Literal["kept", "reset"] = Field(
        "kept",
        description="what an edit does to a location that it leaves out; reset: send it again",
    )
    batch_size: int = Field(50, ge=1, le=50, description="edits per batch request")
    chunk_size: int = Field(
        1000, ge=1, le=5000, description="edits per chunk: one message, one lease"
    )
    window: int | None = Field(
        None,
        ge=1,
        description="how much work is out at a time: a chunk weighs 1 for each 50 edits, 4 at most;"
        " default: the calls a second that are granted, at least 64",
    )
    lease: float = Field(20.0, description="how long a worker holds a chunk without renewing")
    chunk_budget: float = Field(
        75.0,
        description="how long one run of a chunk may take before it checkpoints, and wait for a"
        " call; longer than the rate's longest window, or chunks begin anew after each pause",
    )
    settle: float = Field(
        5.0, description="how long after a write in doubt a read may still show the old state"
    )
    verify_delay: float = Field(3.0, description="wait before the first read-back")
    verify_within: float = Field(900.0, description="until when a read-back may prove an edit")
    parked_retry: float = Field(1800.0, description="how long a locked account (423) is left alone")
    calendars_ttl: float = Field(
        900.0, description="how long an account's calendar list is believed when it forbids an edit"
    )
    calendars_trust: float = Field(
        86400.0,
        description="how long it is believed when it permits one: the API itself refuses the rest",
    )
    resend_after: float = Field(
        20.0, description="a message not picked up after this long is sent again"
    )
    delivery: Literal["early", "late"] = Field(
        "early", description="when Celery acknowledges a message: before or after its task"
    )
    sweep_every: float = Field(1.0, description="the clock's beat: relay, rescue, verification due")
    shutdown_grace: float = Field(20.0, description="how long a stopping worker lets chunks finish")
    inbox: str = Field(
        "",
        description="folder from which files are submitted by the task `calpatch.submit`; without"
        " it, that task submits nothing",
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""), description="signs what webhooks are told of campaigns (HMAC-SHA256)"
    )
    webhook_hosts: str = Field(
        "",
        description="hosts, comma-separated, to which webhooks may go although they are in a"
        " private network, or speak plain HTTP",
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_json: bool = Field(False, description="log lines as JSON, for machines")

    @field_validator("share", mode="before")
    @classmethod
    def _share(cls, value: str | float) -> float:
        return share(value)

    @field_validator(
        "rate_margin",
        "lease",
        "chunk_budget",
        "settle",
        "verify_delay",
        "verify_within",
        "parked_retry",
        "calendars_ttl",
        "calendars_trust",
        "resend_after",
        "sweep_every",
        "shutdown_grace",
        mode="before",
    )
    @classmethod
    def _seconds(cls, value: str | float) -> float:
        return seconds(value)

    @field_validator("keep_images", "keep_outcomes", mode="before")
    @classmethod
    def _period(cls, value: str | float | None) -> float | None:
        return period(value)

    @field_validator("lease", "chunk_budget", "sweep_every", "resend_after")
    @classmethod
    def _positive(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("expected more than zero")
        return value

    @field_validator("rate_margin")
    @classmethod
    def _short(cls, value: float) -> float:
        if value > _LONGEST_MARGIN_S:
            raise ValueError("expected at most 1s, such as 100ms")
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("expected DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @classmethod
    def load(
        cls, environ: Mapping[str, str] | None = None, *, env_file: Path | None = Path(".env")
    ) -> Self:
        """Read the settings; `environ` stands in for the environment and file together.

        Raises SettingsError.
        """
        try:
            if environ is None:
                return cls(_env_file=env_file)  # type: ignore[call-arg]
            return cls._given(environ)
        except ValidationError as wrong:
            faults = wrong.errors(include_input=False, include_url=False)
            raise SettingsError(
                "; ".join(_fault(error) for error in faults),
                next_step="See the settings table in README",
            ) from None
        except (OSError, UnicodeDecodeError):  # the decoder's words quote the file
            raise SettingsError(
                f"The settings file {env_file} cannot be read", next_step="Save it as UTF-8 text"
            ) from None

    @classmethod
    def _given(cls, environ: Mapping[str, str]) -> Self:
        names = {name: f"{_PREFIX}{name.upper()}" for name in cls.model_fields}
        given: dict[str, Any] = {
            name: environ[key] for name, key in names.items() if environ.get(key)
        }
        settings = _Alone(**given)
        return cls.model_construct(**{name: getattr(settings, name) for name in names})

    def need(self, *names: str) -> None:
        """Refuse to go on without these settings, all missing ones named at once."""
        missing = [name for name in names if not _plain(getattr(self, name))]
        if missing:
            listed = ", ".join(f"{_PREFIX}{name.upper()}" for name in missing)
            hint = "; `calpatch keys new` makes a vault key" if "vault_keys" in missing else ""
            raise SettingsError(
                f"Not set: {listed}", next_step=f"Set it in the environment or in .env{hint}"
            )

    @property
    def keys(self) -> list[str]:
        """The vault keys, first one first."""
        return [key.strip() for key in self.vault_keys.get_secret_value().split(",") if key.strip()]

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The hosts to which webhooks may go although they are plain or private."""
        named = (each.strip() for each in self.webhook_hosts.split(","))
        return frozenset(each for each in named if each)


class _Alone(Settings):
    """Settings that look at nothing but what they are given."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - these names are the base class's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def _fault(error: Any) -> str:
    name = _PREFIX + "_".join(str(part) for part in error["loc"]).upper()
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{name}: {said if said.startswith('expected') else f'expected {said}'}"


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
