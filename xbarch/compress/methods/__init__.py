"""Algorithms that bring weights to zero. The data path says which weights are removed together."""
