"""Results that others can run again."""
