"""What trains: the only package that imports PyTorch. From the bottom up, none imports one above it:

intake: a PyTorch model, and a checkpoint, become a graph of layers with parameters.
quantizers: the graph becomes a trainable network that computes with integer levels.
methods: the pruning algorithms.
training: data, the training loop, checkpoints and the export to a stored workload.
importing: a checkpoint trained elsewhere becomes a stored workload without training.

`recipes` and `factory` check what was asked for before PyTorch is loaded.
"""
