"""Searches: an optimizer chooses points of a space; they run on any executor, and the whole survives interruptions."""

from xbarch.studies.search.found import Found, Tried, sections
from xbarch.studies.search.run import search

__all__ = ["Found", "Tried", "search", "sections"]
