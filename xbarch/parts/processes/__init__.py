"""Unit processes: parts whose service time depends on more than the token that they serve, written as SimPy
processes."""
