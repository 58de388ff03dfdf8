"""How things are drawn: tables, pictures, Markdown and HTML. Every number comes from a record."""
