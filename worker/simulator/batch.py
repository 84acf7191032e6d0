"""POST /v1/batch: up to fifty writes of one account, each with its own status [§6, row 16].

Order is kept and nothing is atomic. Whether the real service runs the entries in order is unknown.
"""

from typing import Any

from worker.simulator.answers import MULTI_STATUS, UNPROCESSABLE, Answer, unprocessable
from worker.simulator.calls import Call, batch_entries, path_segments
from worker.simulator.faults import Fault, Occasion
from worker.simulator.simulator import Simulator
from worker.simulator.writes import Action, Write, submit

#: More than this is refused; the code (presumably 422) is unknown.
BATCH_LIMIT = 50
_ACTIONS: dict[str, Action] = {"POST": "edit", "DELETE": "delete"}


def run_batch(sim: Simulator, call: Call) -> Answer:
    """Judges every entry by itself."""
    entries = batch_entries(call.fields())
    if not entries:
        raise unprocessable("batch", "errors.required", "batch must be a list with entries")
    if len(entries) > BATCH_LIMIT:
        raise unprocessable(
            "batch", "errors.too_many", f"batch must have at most {BATCH_LIMIT} entries"
        )
    return Answer(MULTI_STATUS, {"batch": [_run_entry(sim, call, entry) for entry in entries]})


def _run_entry(sim: Simulator, call: Call, entry: object) -> dict[str, Any]:
    write = _write(call, entry) if isinstance(entry, dict) else None
    if write is None:
        return _unsupported()
    occasion = Occasion("batch_item", write.sub, ((write.calendar_id, write.target or ""),))
    return _item(submit(sim, _with_fault(write, sim.faults.fire(occasion) or call.fault)))


def _write(call: Call, entry: dict[str, Any]) -> Write | None:
    """The write of an entry; None where the batch does not support what it asks."""
    action = _ACTIONS.get(str(entry.get("method", "")).upper())
    body = entry.get("data")
    match path_segments(str(entry.get("relative_url", ""))):
        case ("v1", "calendars", calendar_id, "events") if action and isinstance(body, dict):
            account = call.owner
            return Write(
                sub=account.sub,
                scope=account.scope,
                calendar_id=calendar_id,
                body=body,
                action=action,
                via="batch",
            )
        case _:
            return None


def _with_fault(write: Write, fault: Fault | None) -> Write:
    if fault is None:
        return write
    return Write(
        sub=write.sub,
        scope=write.scope,
        calendar_id=write.calendar_id,
        body=write.body,
        action=write.action,
        via=write.via,
        fault=fault,
    )


def _item(answer: Answer) -> dict[str, Any]:
    """Items without a body have no data; headers appear only where a fault sets them [sdk]."""
    item: dict[str, Any] = {"status": answer.status}
    if answer.headers:
        item["headers"] = answer.headers
    if answer.content is not None:
        item["data"] = answer.content
    return item


def _unsupported() -> dict[str, Any]:
    problem = {"key": "errors.not_supported", "description": "this entry cannot be part of a batch"}
    return {"status": UNPROCESSABLE, "data": {"errors": {"relative_url": [problem]}}}
