"""The toolbox of data paths: what several of them share, and an author may use (`docs/toolbox.md`)."""
