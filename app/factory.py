"""The wiring diagram: settings, database, policy, then one surface after the other."""

from contextlib import nullcontext, suppress
from datetime import timedelta

from flask import Flask, g, request
from flask_bootstrap import Bootstrap5
from flask_wtf.csrf import CSRFProtect
from jinja2 import StrictUndefined
from peewee import PeeweeException
from werkzeug.middleware.proxy_fix import ProxyFix

from app import api, config, console, manage, portal, signin
from app.audit import decision_log
from app.audit.decision_log import DecisionLog
from app.authz.decision_point import use_policy
from app.authz.engine.engine import Engine
from app.authz.explain.steps import steps_of
from app.authz.lint.verify import verify_settings
from app.config import Settings
from app.kernel import database
from app.ui import authentication, authorization, error_pages, headers

_LARGEST_FORM = 1024 * 1024


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> Flask:
    """Return the web application. Binds this process to its database and to `engine`, the policy that decides in it.

    Without one, the policy of the settings is verified. Raises `SettingError` and `PolicyError` rather than start with
    something wrong.
    """
    settings = settings or config.read_settings()
    _bind_process(settings, engine or verify_settings(settings))
    return _application(settings)


def _bind_process(settings: Settings, engine: Engine) -> None:
    config.use(settings)
    database.bind(settings.database_url)
    use_policy(engine)
    decision_log.use(
        DecisionLog(
            settings.decision_log,
            days=settings.decision_log_days,
            steps_of=steps_of if settings.decision_log_facts else None,
        )
    )


def _application(settings: Settings) -> Flask:
    app = Flask("app")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=_LARGEST_FORM,
        # Flask would answer OPTIONS past every guard.
        PROVIDE_AUTOMATIC_OPTIONS=False,
        SESSION_COOKIE_NAME="__Host-tessera" if settings.secure else "tessera",
        SESSION_COOKIE_SECURE=settings.secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=timedelta(hours=12).seconds,
        BOOTSTRAP_SERVE_LOCAL=True,
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies)  # type: ignore[method-assign]
    app.before_request(_connect)
    app.teardown_appcontext(_disconnect)
    csrf = CSRFProtect(app)
    Bootstrap5(app)
    authentication.init_app(app)
    # The last one to look at a response is the first named here.
    error_pages.init_app(app)
    headers.init_app(app)
    authorization.init_app(app)
    for surface in (signin, portal, manage, console, api):
        app.register_blueprint(surface.blueprint)
    csrf.exempt(api.blueprint)
    app.wsgi_app = api.Door(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _connect() -> None:
    try:
        # Whoever takes their time to send a form is not to keep a connection to the database meanwhile. What programs
        # send is no form, and nothing may read it before its own limits are checked.
        if request.blueprint != "api":
            _ = request.form
    finally:
        # The page that says that something went wrong needs its style, above all when it is the database.
        with suppress(PeeweeException) if authorization.is_static() else nullcontext():
            g.opened_database = database.database.connect(reuse_if_open=True)


def _disconnect(_error: BaseException | None) -> None:
    if g.pop("opened_database", False):
        database.database.close()
