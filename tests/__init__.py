"""Tests mirror the folders; ``journey`` walks the whole way of a job."""
