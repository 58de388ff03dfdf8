"""What real devices do: errors of cells, of reads and of converters, one file per effect."""
