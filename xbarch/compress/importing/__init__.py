"""From a checkpoint that was trained elsewhere to a stored workload, without training."""
