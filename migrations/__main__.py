"""Bring the database to the newest migration. Several may start at once; one works."""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from jobs import process_log
from jobs.settings import Settings, SettingsError


def config(settings: Settings) -> Config:
    """Alembic's configuration, made in code so that no second file holds settings."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    made.attributes["settings"] = settings
    return made


def main() -> int:
    """Upgrade to the head; 2 when the settings are wrong."""
    try:
        settings = Settings.read()
    except SettingsError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    process_log.begin("migrate", settings)
    command.upgrade(config(settings), "head")
    return 0


if __name__ == "__main__":
    sys.exit(main())
