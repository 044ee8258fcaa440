"""Which model, on what machine, and why: the catalogue and what is built on it. Knows the engine; no protocol."""
