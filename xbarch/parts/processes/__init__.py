"""Units whose service depends on more than the token they serve, written as SimPy processes."""
