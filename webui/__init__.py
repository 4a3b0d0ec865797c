"""The front end: pages and API over :mod:`jobs`. Never imports torch or the worker."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from jobs import process_log
from jobs.settings import Settings
from webui import auth, metrics, problems, request_ids, sweeping, texts
from webui.studio import Studio

# A form may bring several pictures; each is checked against the limit of one by itself.
UPLOADS_PER_FORM = 6


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application; reads the environment when no settings are given."""
    settings = settings or Settings.read()
    process_log.configure(process_log.formatter("web", settings), settings.log_level)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = UPLOADS_PER_FORM * settings.upload_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the answer's order is meant
    app.extensions["atelier"] = opened = Studio.open(settings)
    metrics.install(app, opened)
    request_ids.install(app)
    # Whom a request comes from is believed from our own proxies alone.
    app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
        app.wsgi_app, x_for=settings.proxies, x_proto=0, x_host=0
    )
    auth.install(app)
    texts.install(app)
    problems.install(app)
    _mount(app)
    sweeping.begin_all(opened)
    return app


def _mount(app: Flask) -> None:
    from webui import health, pages
    from webui.api import (
        admin,
        datasets,
        deletion,
        downloads,
        events,
        files,
        jobs,
        kinds,
        logs,
        me,
        models,
        notices,
        people,
        retention,
        timeline,
        workers,
    )

    for blueprint in (
        health.health,
        metrics.metrics,
        files.files,
        datasets.datasets,
        jobs.jobs,
        logs.logs,
        events.events,
        events.every,
        timeline.timeline,
        kinds.kinds,
        models.models,
        workers.workers,
        me.me,
        me.links,
        people.people_api,
        admin.admin,
        deletion.deletion,
        downloads.downloads,
        notices.notices,
        retention.retention,
        pages.pages,
    ):
        app.register_blueprint(blueprint)
