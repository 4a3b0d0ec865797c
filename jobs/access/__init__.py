"""Who may ask, and as whom: people, their roles and tokens, signing in, shared links."""
