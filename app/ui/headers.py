"""The headers that keep a browser from being turned against the person in front of it."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, g, request

from app.audit.queries import revision
from app.runtime import settings
from app.services.queries import service_with_slug

_OPEN = "/open/"
_API = "api"
"""Its messages say the revision themselves."""
_NO_GUESSING = ("X-Content-Type-Options", "nosniff")
# A shared computer in a staff room: the back button must not show the last person's pages. And a decision that was
# kept does not know of what has changed since.
_NO_KEEPING = ("Cache-Control", "no-store")
_ENCRYPTED = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


def init_app(app: Flask) -> None:
    """Put the headers on every response."""
    app.after_request(_protect)


def common_headers(*, secure: bool) -> tuple[tuple[str, str], ...]:
    """Return the headers of pages and messages for programs alike; `secure` says whether they travel over https."""
    return (_NO_GUESSING, _NO_KEEPING, _ENCRYPTED) if secure else (_NO_GUESSING, _NO_KEEPING)


def let_form_lead_to(path: str) -> None:
    """Allow the forms of this page to end at the service that `path` (`/open/SERVICE`) opens.

    A browser applies `form-action` to where a form's answer redirects, too: without this, signing in at the direct
    door of a service at another address would end on a blank page.
    """
    service = service_with_slug(path.removeprefix(_OPEN)) if path.startswith(_OPEN) else None
    target = urlsplit(service.launch_address) if service else None
    if target is not None and target.scheme and target.netloc:
        g.form_target = f" {target.scheme}://{target.netloc}"


def _protect(response: Any) -> Any:
    headers = response.headers
    for name, value in common_headers(secure=settings().secure):
        headers.setdefault(name, value)
    if request.method == "POST" and request.blueprint != _API and response.status_code < HTTPStatus.BAD_REQUEST:
        # At least that of this request's own change: an answer to a question that sends it along includes the change.
        headers["Tessera-Revision"] = str(revision())
    if response.mimetype == "application/json":
        # No browser draws it, runs it or lets it lead anywhere.
        return response
    headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"form-action 'self'{g.get('form_target', '')}; base-uri 'none'; frame-ancestors 'none'",
    )
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    return response
