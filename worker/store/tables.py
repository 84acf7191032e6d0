"""The tables of DESIGN §5, for SQLite and PostgreSQL alike.

`migrations/` makes them; a test holds the two against each other. Times are the database's own
(law 8): PostgreSQL keeps `timestamptz`, SQLite a text of fixed width that sorts as time does.
Columns that hold JSON are text: the engine writes and reads them, SQL never looks inside.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeEngine

_SQLITE_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime; in SQLite text such as "2026-11-22 14:00:00.000000"."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Take text in SQLite, which has no type for times."""
        return dialect.type_descriptor(
            String(26) if dialect.name == "sqlite" else DateTime(timezone=True)
        )

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive times: they would be read as another instant later."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.strftime(_SQLITE_FORMAT) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give back aware UTC."""
        if value is None:
            return None
        known: datetime = (
            datetime.fromisoformat(value).replace(tzinfo=UTC)
            if dialect.name == "sqlite"
            else value.astimezone(UTC)
        )
        return known


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("sub", String(255), primary_key=True),
    Column("label", String(255), nullable=False, server_default=""),
    Column("data_center", String(8), nullable=False),
    Column("access_token", LargeBinary, nullable=False),  # sealed
    Column("refresh_token", LargeBinary, nullable=False),  # sealed
    Column("expires_at", UtcTime),
    Column("token_version", Integer, nullable=False, server_default="0"),
    Column("refresh_until", UtcTime),  # lease of the one process that refreshes
    Column("status", String(16), nullable=False),
    Column("reason", String(64), nullable=False, server_default=""),
    Column("retry_at", UtcTime),
    Column("calendars", Text),  # JSON list of model.Calendar
    Column("calendars_at", UtcTime),
    Column("updated_at", UtcTime, nullable=False),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("key", String(255), nullable=False, unique=True),
    # Of the content and policy: the same key with other content is refused.
    Column("digest", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(24), nullable=False),
    Column("state_reason", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False),
    Column("owner", String(255), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("policy", Text, nullable=False),  # JSON model.Policy
    Column("source", Text, nullable=False),  # the file's name, for people
    Column("columns", Text, nullable=False),  # JSON list: the input's columns, echoed in results
    Column("total", Integer, nullable=False),
    # Half of the images' keys, and of those of their digests in the audit; dropped by retention.
    Column("image_key", LargeBinary),
    Column("pruned_at", UtcTime),  # since then its edits are gone; their counts are in the audit
    Column("audit_seq", Integer, nullable=False, server_default="0"),
    Column("audit_head", String(64), nullable=False, server_default=""),
    Column("submitted_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("run", Text, nullable=False, server_default="{}"),  # JSON model.Run; may be tuned
    Column("parent", String(24)),  # what it undoes or tries again
    Column("job", String(255), nullable=False, server_default=""),  # what it is one run of
    Column("job_date", Date),  # the day that this run of the job is for
    Column("spec", Text, nullable=False, server_default=""),  # the campaign file, as JSON
    Column("notify", Text, nullable=False, server_default=""),  # JSON: who is told, of what
    Column("plan_hash", String(64), nullable=False, server_default=""),  # what is approved
    Column("planned_at", UtcTime),
    Column("expires_at", UtcTime),
    Index("ix_campaigns_state", "state"),
    Index("ix_campaigns_submitted", "submitted_at"),
    Index("ix_campaigns_parent", "parent"),
    Index("ix_campaigns_job", "job", "submitted_at"),
)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index over those rows only that the condition names."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


chunks = Table(
    "chunks",
    metadata,
    Column("id", String(40), primary_key=True),  # campaign id, a dot, a number
    Column("campaign_id", String(24), nullable=False),
    Column("account", String(255), nullable=False),
    Column("number", Integer, nullable=False, server_default="0"),  # its turn within the campaign
    # An edit without a date is in it, so that the whole readable window must be read.
    Column("reads_all", Boolean, nullable=False, server_default=false()),
    Column("size", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("lease_owner", String(255)),
    Column("lease_until", UtcTime),
    Column("epoch", Integer, nullable=False, server_default="0"),  # fencing: grows with each claim
    Column("rescues", Integer, nullable=False, server_default="0"),
    Column("retry_at", UtcTime),
    Column("dispatched_at", UtcTime),
    Column("proofs", Integer, nullable=False, server_default="0"),  # read-backs tried
    Column("audit_seq", Integer, nullable=False, server_default="0"),
    Column("audit_head", String(64), nullable=False, server_default=""),
    # What of a campaign waits, and since when; with all that a report counts by.
    Index("ix_chunks_campaign", "campaign_id", "state", "retry_at", "account", "size", "reads_all"),
    Index("ix_chunks_account", "account", "state"),
    # The next of a campaign that has not been out yet, found without a sort however many wait.
    _partial(
        "ix_chunks_turn",
        "campaign_id",
        "number",
        where="state = 'pending' AND retry_at IS NULL AND dispatched_at IS NULL",
    ),
    # What every round asks: a window's worth at most is in them, however large the table.
    _partial("ix_chunks_running", "campaign_id", where="state = 'running'"),
    _partial("ix_chunks_sent", "state", "dispatched_at", where="dispatched_at IS NOT NULL"),
    _partial("ix_chunks_poison", "campaign_id", where="rescues >= 3"),
)

#: When a chunk is due that waits for an approval, or for a canary; a literal for both databases.
HELD_UNTIL = "'9999-12-31 00:00:00.000000'"

#: Of edits, by their states. Spelt out: SQLite would sort the list of an IN anew for every row that
#: it inserts into an index.
OPEN = "state = 'pending' OR state = 'sending' OR state = 'accepted'"
ENDED = "state <> 'pending' AND state <> 'sending' AND state <> 'accepted'"


def of(alias: str, states: str) -> str:
    """Return OPEN or ENDED for a table's alias, in the words of the index, or none uses it."""
    return f"({states.replace('state', f'{alias}.state')})"


edits = Table(
    "edits",
    metadata,
    Column("campaign_id", String(24), primary_key=True),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("chunk_id", String(40)),  # null: ended at submission, no chunk was needed
    Column("account", String(255), nullable=False),
    Column("calendar_id", String(255), nullable=False),
    Column("event_uid", String(255), nullable=False),
    Column("hint", Date),
    Column("ref", String(255), nullable=False, server_default=""),
    Column("patch", Text, nullable=False),  # JSON model.Patch
    # JSON list: the input's cells, echoed in results; a number stands for a column of the edit.
    Column("cells", Text, nullable=False),
    Column("change_digest", String(64), nullable=False),  # hex: same event, same change
    # 64 bits of SHA-256 of the uid, and of account and calendar: short to look events up by, where
    # an index on the texts would be a third of the table. The place comes first in the indexes:
    # files mostly have a calendar's edits together, and keys in random order cost thrice as much.
    Column("event_hash", BigInteger, nullable=False, server_default="0"),
    Column("place_hash", BigInteger, nullable=False, server_default="0"),
    # Where an equal earlier shift has put the event: r1:CAMPAIGN:LINE, or a plain JSON model.Image.
    Column("prior_target", Text),
    Column("state", String(16), nullable=False),
    Column("code", String(40), nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("before", Text),  # model.Image, sealed (`sealing`) or plain JSON
    Column("target", Text),  # the same: absolute, stored before the first write (law 3)
    Column("fields", String(120), nullable=False, server_default=""),  # comma-separated
    Column("http_status", Integer),
    Column("error_key", String(255), nullable=False, server_default=""),
    Column("sent_at", UtcTime),
    Column("accepted_at", UtcTime),
    Column("verified_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("seen", Text),  # model.Image of a conflict, sealed or plain as the other two
    Column("people", Integer),  # who take part in the event, and of them those from elsewhere
    Column("externals", Integer),
    # Keyed digest of the event's zones, or of having none: what a canary is spread over.
    Column("alike", String(8), nullable=False, server_default=""),
    Index("ix_edits_chunk", "chunk_id", "line_no"),
    Index("ix_edits_outcome", "campaign_id", "state", "code"),
    # Every edit is in one of the next two, so that it is found by its event and yet written once.
    # Two campaigns never edit one event at the same time (features §4, 14).
    _partial("ux_edits_active", "place_hash", "event_hash", where=OPEN, unique=True),
    _partial("ix_edits_event", "place_hash", "event_hash", where=ENDED),
)

audit = Table(
    "audit",
    metadata,
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    Column("chain", String(300), nullable=False),  # a chunk's id, a campaign's id, or account:SUB
    Column("seq", Integer, nullable=False),
    Column("campaign_id", String(24)),
    Column("line_no", Integer),
    Column("at", UtcTime, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(40), nullable=False),
    Column("code", String(40), nullable=False),
    # JSON without event text: fields, digests of images, statuses.
    Column("detail", Text, nullable=False),
    Column("prev", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    UniqueConstraint("chain", "seq"),
    Index("ix_audit_edit", "campaign_id", "line_no"),
    # What people did, and calpatch with whole campaigns: one entry in hundreds.
    _partial("ix_audit_deeds", "at", where="line_no IS NULL"),
)

calls = Table(
    "calls",
    metadata,
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    Column("campaign_id", String(24), nullable=False),
    Column("route", String(80), nullable=False),
    Column("status", Integer, nullable=False),
    Column("calls", Integer, nullable=False),
    Index("ix_calls_campaign", "campaign_id"),
)

pulses = Table(
    "pulses",
    metadata,
    Column("name", String(120), primary_key=True),  # clock, worker:HOST:PID, outage:us
    Column("at", UtcTime, nullable=False),
)

image_keys = Table(
    "image_keys",
    metadata,
    Column("account", String(255), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # by the vault; dropped to erase the account
    Column("created_at", UtcTime, nullable=False),
)

chain_heads = Table(
    "chain_heads",
    metadata,
    # A chain without a row of its own elsewhere (accounts, the vault); "" says that all are here.
    Column("chain", String(300), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("head", String(64), nullable=False),
    # The first entry found behind the head that calpatch had not written; stays for `verify`.
    Column("stray", Integer),
)

controls = Table(
    "controls",
    metadata,
    Column("name", String(40), primary_key=True),  # frozen
    Column("actor", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(32), primary_key=True),  # told to the receiver, who may get one twice
    Column("campaign_id", String(24), nullable=False),
    Column("event", String(40), nullable=False),
    Column("body", Text, nullable=False),  # JSON without event text
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at", UtcTime),  # null: delivered, or given up
    Column("status", Integer),  # of the last answer; 0: none
    Column("at", UtcTime, nullable=False),
    Index("ix_webhooks_campaign", "campaign_id"),
    _partial("ix_webhooks_due", "next_at", where="next_at IS NOT NULL"),
)

schema_versions = Table(
    "schema_versions",
    metadata,
    Column("revision", String(32), primary_key=True),
    Column("oldest_code", String(32), nullable=False),  # revision of the oldest code that may work
)
