"""How the sums on bit lines become numbers: converters, sense amplifiers, counters."""
