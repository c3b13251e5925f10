"""The wiring diagram: settings, database, policy, then one surface after the other."""

from contextlib import nullcontext, suppress
from threading import Thread
from time import sleep
from typing import NoReturn

from flask import Flask, g, request
from flask_bootstrap import Bootstrap5
from flask_wtf.csrf import CSRFProtect
from jinja2 import StrictUndefined
from peewee import PeeweeException
from werkzeug.middleware.proxy_fix import ProxyFix

from app import api, config, console, manage, portal, signin
from app.audit.decision_log import DecisionLog
from app.authz.engine.engine import Engine
from app.authz.explain.steps import steps_of
from app.authz.information.cache import DirectoryView
from app.authz.lint.verify import verify_settings
from app.config import Settings
from app.demo.leftovers import refuse_demo
from app.kernel import database, metrics
from app.kernel.errors import ProblemError
from app.kernel.rate_limit import TokenBuckets
from app.kernel.schema import pending_migrations, refuse_later_schema
from app.runtime import EXTENSION, Runtime, current, use
from app.ui import authentication, authorization, error_pages, headers, page_context

_LARGEST_FORM = 1024 * 1024
_SAMPLE_SECONDS = 1


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> Flask:
    """Return the web application, in which the policy of `engine` decides. This process uses its runtime from now on.

    Without an engine, the policy and the database of the settings are verified, which `tessera serve` has done before.
    Raises `SettingError`, `PolicyError` and `ProblemError` rather than start with something wrong.
    """
    settings = settings or config.read_settings()
    runtime = build_runtime(settings, engine or verify_settings(settings))
    use(runtime)
    if engine is None:
        _verify_database(settings)
    return _application(runtime)


def _verify_database(settings: Settings) -> None:
    with database.connected():
        refuse_later_schema()
        if pending_migrations():
            raise ProblemError("The database is not up to date. Run `tessera migrate` first.")
        if not settings.development:
            refuse_demo()


def build_runtime(settings: Settings, engine: Engine) -> Runtime:
    """Return what a portal runs on. View and decision log begin when they are first used, in the process that does."""
    return Runtime(
        settings=settings,
        database=database.open_database(settings.database_url),
        engine=engine,
        view=DirectoryView(settings.cache_people),
        decision_log=DecisionLog(
            settings.decision_log,
            days=settings.decision_log_days,
            event_days=settings.event_days,
            max_bytes=settings.decision_log_max_bytes,
            steps_of=steps_of if settings.decision_log_facts else None,
        ),
        token_buckets=TokenBuckets(settings.rate_limit),
    )


def _application(runtime: Runtime) -> Flask:
    settings = runtime.settings
    app = Flask("app")
    app.extensions[EXTENSION] = runtime
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=_LARGEST_FORM,
        # Flask would answer OPTIONS past every guard.
        PROVIDE_AUTOMATIC_OPTIONS=False,
        SESSION_COOKIE_NAME="__Host-tessera" if settings.secure else "tessera",
        SESSION_COOKIE_SECURE=settings.secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # The session that a form belongs to ends by itself, and machines whose clocks differ share it.
        WTF_CSRF_TIME_LIMIT=None,
        BOOTSTRAP_SERVE_LOCAL=True,
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies)  # type: ignore[method-assign]  # how WSGI wraps
    app.before_request(_connect)
    app.teardown_appcontext(_disconnect)
    csrf = CSRFProtect(app)
    Bootstrap5(app)
    authentication.init_app(app)
    # The last one to look at a response is the first named here.
    page_context.init_app(app)
    error_pages.init_app(app)
    headers.init_app(app)
    authorization.init_app(app)
    for surface in (signin, portal, manage, console, api):
        app.register_blueprint(surface.blueprint)
    csrf.exempt(api.blueprint)
    app.wsgi_app = api.FastPath(app, app.wsgi_app)  # type: ignore[method-assign]  # how WSGI wraps
    return app


def _connect() -> None:
    if request.endpoint == "api.live":
        return
    try:
        # Whoever takes their time to send a form is not to keep a connection to the database meanwhile. What programs
        # send is no form, and nothing may read it before its own limits are checked.
        if request.blueprint != "api":
            _ = request.form
    finally:
        # The page that says that something went wrong needs its style, above all when it is the database; and health
        # says more of that than its absence.
        is_without = authorization.is_static() or request.endpoint in ("api.health", "api.ready")
        with suppress(PeeweeException) if is_without else nullcontext():
            g.opened_database = database.database.connect(reuse_if_open=True)


def _disconnect(_error: BaseException | None) -> None:
    if g.pop("opened_database", False):
        database.database.close()


def start_sampling() -> None:
    """Have a thread say every second how the caches and the decision log of this process are, for its metrics."""
    runtime = current()
    pack = runtime.settings.pack_dir
    metrics.policy_info.labels(runtime.engine.digest, pack.name if pack else "").set(1)
    Thread(target=_sample, args=(runtime,), name="metrics", daemon=True).start()


def _sample(runtime: Runtime) -> NoReturn:
    view, log = runtime.view, runtime.decision_log
    while True:
        metrics.people.set(view.size)
        metrics.revision.set(view.revision)
        metrics.revision_age.set(view.freshness.age_seconds())
        pending, oldest = log.pending
        metrics.log_pending.set(pending)
        metrics.log_oldest.set(oldest)
        metrics.database_connections.set(database.connections())
        sleep(_SAMPLE_SECONDS)
