"""The pages, rendered on the server; every action works without JavaScript."""

from __future__ import annotations

from flask import Blueprint

pages = Blueprint("pages", __name__)
