"""Tests of the front end: the API and the pages."""
