"""What all values of the model are made of."""

from __future__ import annotations

from msgspec import Struct


class Value(Struct, frozen=True, gc=False):
    """Without cycles: looking for some would stop everything for as long as the limit's margin."""
