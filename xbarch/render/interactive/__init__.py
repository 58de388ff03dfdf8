"""Pages to look into: one self-contained HTML file whose charts zoom and whose tables sort and filter."""
