"""How much a record has room for."""

LAYERS = 2_000   # as many as a stored workload may have
SPANS = 10_000   # of the timeline, all layers together
LINKS = 20_000   # of the first chips that a record has room for
TILES = 20_000
