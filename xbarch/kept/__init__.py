"""What trained networks keep, and what that costs in accuracy: measured on stored ones, or as rows of those that are
not stored."""
