"""Retention: of campaigns that ended long ago, first the images go, and later the outcomes.

The campaigns themselves, their chunks' heads and the audit stay: it says what happened to each
line, and its last entries how much was pruned when. Several at once, or workers meanwhile, do no
harm; interrupted, the next run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from worker.model import ENDED
from worker.store.blanking import in_batches, wiping
from worker.store.chains import note_campaign, note_named
from worker.store.database import Database
from worker.store.values import Note

#: signs of life of processes that ended so long ago tell nobody anything, in seconds
PULSES_S = 7 * 86_400.0

_ENDED = ", ".join(f"'{state}'" for state in sorted(ENDED))
_HAS_IMAGES = """(before IS NOT NULL OR target IS NOT NULL OR seen IS NOT NULL
  OR prior_target IS NOT NULL)"""
_BLANK = "UPDATE edits SET before = NULL, target = NULL, seen = NULL, prior_target = NULL"
_OLD_PULSES = "FROM pulses WHERE at < {before}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a run has pruned, or would: campaigns and edits that lost images, or outcomes."""

    images_campaigns: int = 0
    images_edits: int = 0
    outcomes_campaigns: int = 0
    outcomes_edits: int = 0
    pulses: int = 0


class Pruning:
    """The statements of retention. Ages are seconds since a campaign's end; None keeps all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def would_prune(self, *, images_s: float | None, outcomes_s: float | None) -> Pruned:
        """Tell what a run would do now."""
        with self._database.read() as connection:
            outcomes = self._without_outcomes(connection, older_s=outcomes_s)
            images = self._without_images(connection, older_s=images_s)
            counted = [_count(connection, one, _HAS_IMAGES) for one in images]
            pulses = text(f"SELECT count(*) {self._old_pulses}")
            return Pruned(
                images_campaigns=len(images),
                images_edits=sum(counted),
                outcomes_campaigns=len(outcomes),
                outcomes_edits=sum(_count(connection, one, "1 = 1") for one in outcomes),
                pulses=connection.execute(pulses, {"ago": -PULSES_S}).scalar_one(),
            )

    def prune(self, *, images_s: float | None, outcomes_s: float | None, actor: str) -> Pruned:
        """Prune what is old enough, and say so in the audit: of each campaign, and of the run."""
        with self._database.read() as connection:
            outcomes = self._without_outcomes(connection, older_s=outcomes_s)
        removed = [self._drop_outcomes(one, actor=actor) for one in outcomes]
        with self._database.read() as connection:
            images = self._without_images(connection, older_s=images_s)
        blanked = [self._drop_images(one, actor=actor) for one in images]
        return self._database.run(
            lambda connection: self._end(
                connection,
                Pruned(
                    images_campaigns=len(images),
                    images_edits=sum(blanked),
                    outcomes_campaigns=len(outcomes),
                    outcomes_edits=sum(removed),
                ),
                actor=actor,
            )
        )

    # ------------------------------------------------------------ which

    def _without_images(self, connection: Connection, *, older_s: float | None) -> list[str]:
        """Return the campaigns whose images are too old; the key goes last, and tells."""
        return self._ended(connection, "image_key IS NOT NULL", older_s=older_s)

    def _without_outcomes(self, connection: Connection, *, older_s: float | None) -> list[str]:
        """Return the campaigns whose outcomes are too old, or half gone."""
        left = "EXISTS (SELECT 1 FROM edits e WHERE e.campaign_id = c.id)"
        return self._ended(connection, f"(pruned_at IS NULL OR {left})", older_s=older_s)

    def _ended(self, connection: Connection, which: str, *, older_s: float | None) -> list[str]:
        if older_s is None:
            return []
        before = self._database.later_sql("ago")
        sql = text(
            f"SELECT c.id FROM campaigns c WHERE c.state IN ({_ENDED}) AND {which}"
            f" AND c.finished_at < {before} ORDER BY c.finished_at, c.id"
        )
        return list(connection.execute(sql, {"ago": -older_s}).scalars())

    @property
    def _old_pulses(self) -> str:
        return _OLD_PULSES.format(before=self._database.later_sql("ago"))

    # ------------------------------------------------------------ how

    def _drop_images(self, campaign_id: str, *, actor: str) -> int:
        edits = in_batches(self._database, campaign_id, _BLANK, where=_HAS_IMAGES)
        mark = "UPDATE campaigns SET image_key = NULL WHERE id = :id AND image_key IS NOT NULL"
        note = Note(actor=actor, action="campaign.images_pruned", detail={"edits": edits})
        self._mark(campaign_id, mark, note)
        return edits

    def _drop_outcomes(self, campaign_id: str, *, actor: str) -> int:
        """Mark first: from then on reports say that it is pruned, not that lines are missing."""
        mark = (
            f"UPDATE campaigns SET pruned_at = {self._database.now_sql}, image_key = NULL"
            " WHERE id = :id AND pruned_at IS NULL"
        )
        self._mark(campaign_id, mark, Note(actor=actor, action="campaign.outcomes_pruned"))
        calls = text("DELETE FROM calls WHERE campaign_id = :id")
        self._database.run(lambda connection: connection.execute(calls, {"id": campaign_id}))
        # Last: as long as there are any, the next run knows that this one was interrupted.
        return in_batches(self._database, campaign_id, "DELETE FROM edits", where="1 = 1")

    def _mark(self, campaign_id: str, sql: str, note: Note) -> None:
        def work(connection: Connection) -> None:
            wiping(self._database, connection)
            if connection.execute(text(sql), {"id": campaign_id}).rowcount:
                note_campaign(self._database, connection, notes=[note], campaign_id=campaign_id)

        self._database.run(work)

    def _end(self, connection: Connection, done: Pruned, *, actor: str) -> Pruned:
        pulses = connection.execute(text(f"DELETE {self._old_pulses}"), {"ago": -PULSES_S}).rowcount
        detail: dict[str, object] = {
            "images": {"campaigns": done.images_campaigns, "edits": done.images_edits},
            "outcomes": {"campaigns": done.outcomes_campaigns, "edits": done.outcomes_edits},
            "pulses": pulses,
        }
        note = Note(actor=actor, action="pruned", detail=detail)
        note_named(self._database, connection, notes=[note], chain="prune")
        return Pruned(
            images_campaigns=done.images_campaigns,
            images_edits=done.images_edits,
            outcomes_campaigns=done.outcomes_campaigns,
            outcomes_edits=done.outcomes_edits,
            pulses=pulses,
        )


def _count(connection: Connection, campaign_id: str, which: str) -> int:
    sql = text(f"SELECT count(*) FROM edits WHERE campaign_id = :id AND {which}")
    return int(connection.execute(sql, {"id": campaign_id}).scalar_one())
