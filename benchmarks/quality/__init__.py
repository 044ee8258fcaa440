"""Quality: questions in words against 19 real repositories and 6,267 single functions."""
