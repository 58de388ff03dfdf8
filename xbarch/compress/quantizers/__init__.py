"""Quantizers, and the network with a quantizer wherever the integer network rounds."""
