"""Benchmarks: does search find the right thing (quality), and what does it cost (speed)."""
