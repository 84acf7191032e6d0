"""Celery's side of calpatch, thin: `celery -A tasks worker`, or `calpatch work`."""

from __future__ import annotations
