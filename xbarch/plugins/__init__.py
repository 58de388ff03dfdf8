"""Plugins: their kinds and the registry, the guard around every call, checks of what they answer, and skeletons."""
