"""Numbered migrations of the database; ``python -m migrations`` brings it to the head."""
