"""What xbarch costs: `python -m benchmarks`, from the root of the repository."""
