"""Images from files: those that people know, arrays, folders."""
