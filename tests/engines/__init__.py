"""Promises of the engines, kind by kind and module by module."""
