"""The engine: finds code by meaning. Knows no LSP, no asyncio, no editor."""
