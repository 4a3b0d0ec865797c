"""The studio under attack, and a judge who knows nothing of how it is built."""
