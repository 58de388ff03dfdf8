"""Quantizers, and the network with quantizers where the integers will be rounded."""
