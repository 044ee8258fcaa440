"""Fuzzing of what reads files: ugly inputs, the real child process that reads them, and what became of it."""
