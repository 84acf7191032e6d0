"""calpatch: edits calendar events in bulk through the Cronofy API, once, within the limit, proven and audited."""

__version__ = "0.1.0"
