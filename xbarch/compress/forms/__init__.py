"""Models from files that hold both a network and its weights: ONNX, QONNX and exported PyTorch programs."""
