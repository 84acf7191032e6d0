"""Files that others leave in a folder and name in a message: the way into calpatch by a task.

A message goes through Redis, where no event's text belongs (law 9): it names a file, and the file
holds the edits. Whoever can write to Redis but not into the folder has nothing of theirs submitted,
and no other file read. What came of it is left beside the file, for whoever put that there.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from worker.errors import InvalidInput, SettingsError, StoreUnavailable, WorkerError, WrongOption
from worker.intake import open_input
from worker.intake.problems import problems_object, refused
from worker.intake.terms import Terms, wanted_of
from worker.settings import Settings
from worker.store import Store
from worker.unattended.submitting import Placed, submit_input

log = structlog.get_logger(__name__)

#: what follows the name of a file in that of its answer
ANSWER: Final = ".result.json"
#: who owns a campaign of which the message names no owner
OWNER: Final = "inbox"


def submit_from_inbox(
    settings: Settings, store: Store, file: str, terms: Mapping[str, Any]
) -> dict[str, Any]:
    """Submit a file of the inbox, with the terms of `calpatch submit` by their names.

    Returns what came of it, and leaves it beside the file: the campaign, or the error with its next
    step and problems. Raises StoreUnavailable: then it may be tried again as it is.
    """
    path: Path | None = None
    try:
        path = _path(settings, file)
        answer = _object(_submitted(settings, store, path, terms))
    except StoreUnavailable:
        raise
    except InvalidInput as wrong:
        answer = problems_object(wrong) | {"exit_code": wrong.exit_code}
    except WorkerError as known:
        answer = {
            "error": known.message, "next_step": known.next_step, "exit_code": known.exit_code,
        }  # fmt: skip
    if "error" in answer:
        log.warning("submit.refused", code=str(answer["exit_code"]))
    if path is not None:
        _leave(path, answer)
    return answer


def _path(settings: Settings, file: str) -> Path:
    """Return where a file of the inbox is. Raises SettingsError and InvalidInput."""
    if not settings.inbox:
        raise SettingsError(
            "Not set: CALPATCH_INBOX", next_step="Set it to the folder that files are left in"
        )
    if not file or file.startswith(".") or Path(file).name != file or not file.isprintable():
        raise refused("not the name of a file in the inbox", value=file)
    path = Path(settings.inbox) / file
    try:
        is_plain = stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        is_plain = False
    if not is_plain:
        # Nor a link, which may lead anywhere, nor a pipe, which may never end.
        raise refused("there is no such file in the inbox", value=file)
    return path


def _submitted(settings: Settings, store: Store, path: Path, terms: Mapping[str, Any]) -> Placed:
    wanted = wanted_of(_terms(terms), user=OWNER, hosts=settings.allowed_hosts)
    with open_input(str(path)) as given:
        # No folder: a campaign file from here names no other file.
        return submit_input(settings, store, replace(given, name=path.name, folder=None), wanted)


def _terms(terms: Mapping[str, Any]) -> Terms:
    try:
        return msgspec.convert(dict(terms), Terms)
    except msgspec.ValidationError as wrong:
        raise WrongOption(f"The message's terms: {wrong}") from wrong


def _object(placed: Placed) -> dict[str, Any]:
    campaign = placed.submitted.campaign
    return {
        "campaign": campaign.id,
        "key": campaign.key,
        "created": placed.submitted.created,
        "state": str(campaign.state),
        "edits": campaign.total,
        "note": placed.submitted.note,
    }


def _leave(path: Path, answer: Mapping[str, Any]) -> None:
    """Write an answer whole or not at all, to be read by whoever may read the file."""
    body = msgspec.json.format(msgspec.json.encode(answer), indent=2)
    try:
        mode = stat.S_IMODE(path.stat().st_mode) & 0o666
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as written:
            temporary = Path(written.name)
            try:
                written.write(body)
                written.flush()
                os.fchmod(written.fileno(), mode)
                temporary.replace(path.with_name(path.name + ANSWER))
            except OSError:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
    except OSError as error:
        log.warning("submit.answer_not_written", code=str(error.errno))
