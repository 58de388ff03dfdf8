"""Parts of machines that are plugins: sensing units, scaling models, topologies, unit processes."""
