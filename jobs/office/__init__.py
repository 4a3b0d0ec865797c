"""What administrators see and do, and whether everything agrees."""
