"""What every room uses and no reader looks for: files, the cache, bundled data, the version."""
