"""What a run says: energies, static power, the record behind `result.json`, and its Python form."""
