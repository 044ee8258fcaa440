"""Errors: what the engine raises. The text of each is a sentence for the user that says what to do next."""


class EngineError(Exception):
    """Something the user has to know; its text is for people."""


class Busy(EngineError):
    """Another process is writing this index."""


class Interrupted(EngineError):
    """A pass was told to stop while it looked for files."""


class StoreError(EngineError):
    """The index on disk cannot be opened, read or written."""
