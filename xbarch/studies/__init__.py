"""Many runs side by side: the bench that runs requests, and the studies and reports built from its answers."""
