"""calpatch edits calendar events in bulk: once, within the limit, proven and audited."""

__version__ = "0.3.0"
