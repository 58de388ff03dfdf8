"""Defaults and limits of a run (`xbarch.Request`), where the command line can read them without loading the rest."""

POLICY = "fit"
IMAGES = 8
CHIPS = 1
MODE = "pipelined"
PLACEMENT = "row_major"
ENGINE = "auto"

MOST_IMAGES = 10_000
MOST_CHIPS = 10_000
MOST_BATCH = 10**9
TESTED, MOST_TESTED = 1_000, 100_000  # test images of an accuracy
LEAST_BITS, MOST_BITS = 2, 16  # of weights and activations
