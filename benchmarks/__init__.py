"""Benchmarks: does search find the right thing (quality), and what does it cost (speed)."""

import os

# As in the server: numpy's own threads wait for each other longer than such small products take.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
