"""Where many runs go: any `concurrent.futures.Executor`, found by name, and the dealing of work to it."""
