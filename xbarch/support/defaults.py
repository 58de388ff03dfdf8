"""Defaults and limits of a run (`xbarch.Request`), where the command line can read them without loading the rest."""

from typing import Literal

Scope = Literal["compute", "chip", "whole"]
SCOPES: tuple[Scope, ...] = ("compute", "chip", "whole")  # each includes those before it

POLICY = "fit"
IMAGES = 8
CHIPS = 1
EQUAL = "crossbars:4"  # policy of a comparison: every run has four times the dense network's crossbars
MODE = "pipelined"
PLACEMENT = "traffic"
REPLICATION = "auto"
PERIPHERIES = {
    "published": "shared units, ports, buses and links as the architecture states them",
    "balanced": "as many more of them as keep each at most 80 % busy while crossbars set the pace",
}
PERIPHERY = "published"
ENGINE = "auto"
SCOPE: Scope = "chip"  # of energies and TOPS/W, where nothing else is asked for

MOST_IMAGES = 10_000
MOST_CHIPS = 10_000
MOST_BATCH = 10**9
TESTED, MOST_TESTED = 1_000, 100_000  # test images of an accuracy
DRAWS, MOST_DRAWS = 10, 10_000  # devices that are drawn for an accuracy with noise
LEAST_BITS, MOST_BITS = 2, 16  # of weights and activations
