"""Models, intake, quantizers, pruning algorithms, training, export. The only package that imports torch."""
