"""A campaign as its file describes it, with all that is in it read and checked."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

from msgspec import Struct, json
from msgspec.structs import fields, replace

from worker.intake.news import Notify
from worker.model import Op, Policy, Run, Select

_encode = json.Encoder(order="deterministic").encode


class CampaignFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a campaign is called, selects, does, spares, and how it is carried out.

    `owner` is None when the file names none. `select.subs` has the accounts of `accounts_file`
    already, whose path is as the file gives it. Lists whose order means nothing are sorted.
    """

    name: str
    reason: str
    select: Select
    ops: tuple[Op, ...]
    owner: str | None = None
    tags: tuple[str, ...] = ()
    job: str | None = None
    lane: Literal["bulk", "interactive"] = "bulk"
    accounts_file: str | None = None
    policy: Policy = Policy()
    run: Run = Run()
    notify: Notify | None = None

    def digest(self) -> str:
        """Names all that the file means but the campaign's name, in hex.

        Comments, the order of keys and the way things are written do not matter to it, nor does
        where a list of accounts stands; what is left out is as good as its default.
        """
        meaning = _meaning(replace(self, name="", accounts_file=None))
        return sha256(_encode(meaning)).hexdigest()


def _meaning(value: object) -> object:
    """Returns a value without what is as good as not said, so that new defaults change nothing."""
    match value:
        case Struct():
            told = {each.name: getattr(value, each.name) for each in fields(value)}
            usual = {each.name: each.default for each in fields(value)}
            kind = {"kind": value.__struct_config__.tag}
            return kind | {
                name: _meaning(said) for name, said in told.items() if said != usual[name]
            }
        case tuple():
            return [_meaning(each) for each in value]
        case _:
            return value
