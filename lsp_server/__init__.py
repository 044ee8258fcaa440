"""meaning-ls: find code by meaning, in every editor."""

__version__ = "0.1.0"
