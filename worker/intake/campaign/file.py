"""Reading a campaign file: its form by the schema, then its meaning, with all problems at once.

Nothing here reaches the network or the database; a file of accounts is the only other thing that is
read.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from importlib.resources import files

from worker.intake.campaign import checks
from worker.intake.campaign.faults import note_faults
from worker.intake.campaign.guards import read_policy
from worker.intake.campaign.part import Part
from worker.intake.campaign.running import read_lane, read_notify, read_run
from worker.intake.campaign.select import read_select
from worker.intake.campaign.text import read_text
from worker.intake.campaign.transform import read_transforms
from worker.intake.campaign.tree import tree
from worker.intake.campaign.value import CampaignFile
from worker.intake.problems import Problems
from worker.intake.source import Input, Known


def read_campaign(
    opened: Input,
    *,
    known: Known | None = None,
    webhook_hosts: Collection[str] = (),
    now: datetime | None = None,
    max_problems: int = 100,
) -> CampaignFile:
    """Reads a campaign file; raises InvalidInput with the first `max_problems` of its problems.

    `known` are the accounts and labels that there are, None takes any. A file of accounts is looked
    for from the input's folder, and refused when the input has none. `webhook_hosts` are those that
    the operator allows although they are plain or private. `now`, aware, is when days that are told
    from today on are told.
    """
    found = Problems(max_problems)
    root = tree(read_text(opened.stream, found=found), found=found)
    note_faults(root, found=found)
    top = Part(root, found)
    head, run, guards = top["campaign"], top["run"], top["guards"]
    select, whose = read_select(
        top["select"], folder=opened.folder, known=known, now=now or datetime.now(UTC)
    )
    campaign = CampaignFile(
        name=head["id"].read(str, otherwise=""),
        reason=head["reason"].read(checks.words, otherwise=""),
        owner=head["owner"].read(checks.words, otherwise=None),
        tags=head["tags"].each(str),
        job=head["job"].read(str, otherwise=None),
        lane=read_lane(run),
        select=select,
        accounts_file=whose.file,
        ops=read_transforms(top["transform"]),
        policy=read_policy(guards, transform=top["transform"], verify=run["verify"]),
        run=read_run(run, guards=guards),
        notify=read_notify(top["notify"], hosts=webhook_hosts),
    )
    found.refuse()
    return campaign


def example() -> str:
    """Returns a campaign file with comments, to begin from."""
    return files(__package__).joinpath("example.yaml").read_text("utf-8")
