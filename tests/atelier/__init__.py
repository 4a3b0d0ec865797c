"""The embedded stack, the client and the command line."""
