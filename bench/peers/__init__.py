"""Other job systems, measured beside ours by the same rules: see README.md."""
