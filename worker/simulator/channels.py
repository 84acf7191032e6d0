"""Notification channels, and the signature of their callbacks [§9, row 20]."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

import msgspec

from worker.simulator.answers import ACCEPTED, NOT_FOUND, Answer, Refusal, unprocessable
from worker.simulator.calls import Call
from worker.simulator.simulator import Simulator
from worker.simulator.values import Channel, Notice

CHANNEL_LIMIT = 128
SIGNATURE_HEADER = "Cronofy-HMAC-SHA256"


def create_channel(sim: Simulator, call: Call) -> Answer:
    """POST /v1/channels: a new one is verified by a callback, an identical one just told."""
    wanted = _wanted(call)
    own = [each for each in sim.channels.values() if each.sub == wanted.sub]
    same = next((each for each in own if each.shown() | {"channel_id": ""} == wanted.shown()), None)
    if same:
        return Answer(content={"channel": same.shown()})
    if len(own) >= CHANNEL_LIMIT:
        raise unprocessable("callback_url", "errors.too_many", f"at most {CHANNEL_LIMIT} channels")
    channel = msgspec.structs.replace(wanted, channel_id=f"chn_{sim.token(24)}")
    sim.channels[channel.channel_id] = channel
    sim.post_notice(Notice(channel=channel, kind="verification"))
    return Answer(content={"channel": channel.shown()})


def list_channels(sim: Simulator, call: Call) -> Answer:
    """GET /v1/channels."""
    own = [each.shown() for each in sim.channels.values() if each.sub == call.owner.sub]
    return Answer(content={"channels": own})


def close_channel(sim: Simulator, call: Call) -> Answer:
    """DELETE /v1/channels/{channel_id}."""
    channel = sim.channels.get(call.names["channel_id"])
    if channel is None or channel.sub != call.owner.sub:
        raise Refusal(NOT_FOUND)
    del sim.channels[channel.channel_id]
    return Answer(ACCEPTED)


def signature(body: bytes, secrets: Iterable[str]) -> str:
    """One base64 HMAC of the raw body per active secret, comma-separated."""
    digests = (hmac.digest(secret.encode(), body, hashlib.sha256) for secret in secrets)
    return ",".join(base64.b64encode(digest).decode() for digest in digests)


def callback_body(notice: Notice) -> bytes:
    """The body of a callback."""
    notification: dict[str, Any] = {"type": notice.kind}
    if notice.changes_since is not None:
        notification["changes_since"] = notice.changes_since
    return msgspec.json.encode({"notification": notification, "channel": notice.channel.shown()})


def _wanted(call: Call) -> Channel:
    body = call.fields()
    url = body.get("callback_url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise unprocessable("callback_url", "errors.required", "callback_url must be a URL")
    filters = body.get("filters") or {}
    calendar_ids = filters.get("calendar_ids") or None
    if calendar_ids and not set(calendar_ids) <= set(call.owner.calendar_ids):
        raise unprocessable(
            "filters.calendar_ids", "errors.invalid_calendar_ids", "unknown calendar"
        )
    return Channel(
        channel_id="",
        sub=call.owner.sub,
        callback_url=url,
        calendar_ids=tuple(calendar_ids) if calendar_ids else None,
        only_managed=bool(filters.get("only_managed")),
    )
