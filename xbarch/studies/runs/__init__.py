"""The bench: requests run in parallel, each answer kept in a store as it comes."""
