"""The command line. Its modules import what they need when they run, so that help is instant."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from atelier.cli import (
    account,
    admin,
    datasets,
    jobs,
    models,
    networks,
    studio,
    submit,
    telling,
    timeline,
)
from atelier.cli.outcomes import EXIT_CODES, report


class _Commands(click.Group):
    """Commands in the order in which a person meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Not sorted: the order of their adding."""
        return list(self.commands)


@click.group(
    cls=_Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="atelier")
def atelier() -> None:
    """Atelier: a self-hosted studio for AI art.

    "atelier up" starts a studio on this machine. The other commands talk to it, or to the one
    that ATELIER_URL and ATELIER_TOKEN name.
    """


for _command in (
    studio.up,
    studio.demo,
    studio.doctor,
    studio.upgrade,
    studio.migrate,
    studio.login,
    submit.kinds,
    submit.submit,
    jobs.index,
    jobs.show,
    jobs.watch,
    jobs.log,
    timeline.metrics,
    timeline.frames,
    jobs.pause,
    jobs.resume,
    jobs.cancel,
    jobs.retry,
    jobs.snapshot,
    jobs.rerun,
    jobs.download,
    datasets.datasets,
    models.models,
    account.account,
    account.tokens,
    account.links,
    telling.notices,
    telling.webhooks,
    jobs.delete,
    jobs.uploads,
    jobs.delete_file,
    networks.weights,
    admin.admin,
):
    atelier.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The program ``atelier``: every failure is a message and an exit code, no traceback."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        status = atelier.main(given, prog_name="atelier", standalone_mode=False)
    except Exception as failed:
        status = report(failed, as_json="--json" in given)
    sys.exit(status if isinstance(status, int) else 0)
