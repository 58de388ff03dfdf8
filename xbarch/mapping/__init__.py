"""Blocks to crossbars to IMAs to tiles: how many copies of each layer, and where they lie."""
