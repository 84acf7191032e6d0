"""${message}.

Revision ${up_revision}, after ${down_revision | comma,n}.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

#: The oldest code that may use the database from then on. What only expands names the one before;
#: what contracts names the first that does without what it takes away.
_OLDEST_CODE = ${repr(down_revision)}

_versions = sa.table("schema_versions", sa.column("revision"), sa.column("oldest_code"))


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
    op.execute(_versions.insert().values(revision=revision, oldest_code=_OLDEST_CODE))


def downgrade() -> None:
    op.execute(_versions.delete().where(_versions.c.revision == revision))
    ${downgrades if downgrades else "pass"}
