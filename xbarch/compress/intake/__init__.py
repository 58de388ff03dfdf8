"""From a PyTorch model, or a checkpoint, to a graph of integer layers."""
