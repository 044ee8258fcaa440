"""Speed: what indexing, asking, opening, saving and memory cost, against targets."""
