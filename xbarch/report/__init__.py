"""What a run says: the result record, tables, pictures and pages. Every number comes from the record."""
