"""Algorithms that bring weights to zero. What goes together is the data path's to say."""
