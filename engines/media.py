"""Media types of the studio's own files. No torch here."""

from __future__ import annotations

DATASET = "application/vnd.atelier.dataset+zip"
MODEL = "application/vnd.atelier.model+safetensors"
