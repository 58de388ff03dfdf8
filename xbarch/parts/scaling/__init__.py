"""How a component's price follows what is built: bits of a converter, size of a buffer, technology node."""
