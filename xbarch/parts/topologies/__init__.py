"""How the tiles of a chip are connected: mesh, bus, H-tree."""
