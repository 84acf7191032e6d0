"""Images as reports show them: many accounts' in one stream, and blank where they do not open."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select

from worker.errors import VaultError
from worker.model import Image
from worker.store.image_keys import ImageKeys
from worker.store.sealing import WHICH, Images, Unopened, Which
from worker.store.tables import campaigns, edits, image_keys

#: accounts whose keys are kept at hand, with what is derived from them
MOST_KEPT: Final = 1_000

# As subqueries: a join may have PostgreSQL sort all edits of a campaign.
_CAMPAIGN_KEY = select(campaigns.c.image_key).where(campaigns.c.id == edits.c.campaign_id)
_ACCOUNT_KEY = select(image_keys.c.sealed).where(image_keys.c.account == edits.c.account)

#: What is read of each edit: its columns, and the two keys.
SHOWN: Final = (
    *edits.c,
    _CAMPAIGN_KEY.scalar_subquery().label("campaign_key"),
    _ACCOUNT_KEY.scalar_subquery().label("account_key"),
)


class ShownImages:
    """Opens the images of rows of `SHOWN`; one that does not open is None.

    Where a key has been dropped, nothing is wrong; `trouble` is the first thing that is.
    """

    def __init__(self, keys: ImageKeys) -> None:
        self._keys = keys
        self._known: dict[tuple[str, str], Images] = {}
        self.trouble: VaultError | None = None

    def of(self, row: Any) -> tuple[Image | None, Image | None, Image | None]:
        """Return a row's images: before, target, and what a conflict found."""
        if row.before is None and row.target is None and row.seen is None:
            return None, None, None
        about = (row.campaign_id, row.account)
        images = self._known.get(about) or self._opener(row)
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        self._known[about] = images
        before, target, seen = (self._read(images, row, which) for which in WHICH)
        return before, target, seen

    def _opener(self, row: Any) -> Images:
        try:
            account_key = self._keys.opened(row.account, row.account_key)
        except VaultError as closed:
            account_key = None
            self.trouble = self.trouble or closed
        campaign_key = bytes(row.campaign_key) if row.campaign_key is not None else None
        return self._keys.images(
            campaign_id=row.campaign_id, campaign_key=campaign_key, account_key=account_key
        )

    def _read(self, images: Images, row: Any, which: Which) -> Image | None:
        try:
            return images.read(getattr(row, which), line_no=row.line_no, which=which)
        except Unopened:
            if row.campaign_key is not None and row.account_key is not None:
                self.trouble = self.trouble or _damaged(row)
            return None


def _damaged(row: Any) -> VaultError:
    return VaultError(
        f"An image of {row.campaign_id}, line {row.line_no}, was damaged or changed by hand",
        next_step="Look for others with `calpatch audit verify`",
    )
