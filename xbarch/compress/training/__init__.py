"""Training: data, the loop, checkpoints, and the export of the stored workload."""
