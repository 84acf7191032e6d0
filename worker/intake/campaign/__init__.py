"""Campaign files in YAML: what is selected, how it is changed, and how that is carried out.

with open_input("campaign.yaml") as file:
    campaign = read_campaign(file)
"""

from worker.intake.campaign.described import carried_out, described
from worker.intake.campaign.file import example, read_campaign
from worker.intake.campaign.shape import schema_text
from worker.intake.campaign.value import CampaignFile
from worker.intake.campaign.wording import changed
from worker.intake.news import NEWS, News, Notify

__all__ = [
    "NEWS",
    "CampaignFile",
    "News",
    "Notify",
    "carried_out",
    "changed",
    "described",
    "example",
    "read_campaign",
    "schema_text",
]
