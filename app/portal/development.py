"""What only a development portal shows: the outbox, and stand-ins for the services behind the tiles."""

from flask import abort, render_template
from flask.typing import ResponseReturnValue

from app.mail.queries import outbox_mail, outbox_mails
from app.portal import blueprint
from app.runtime import settings
from app.services.queries import service_with_slug
from app.ui.authorization import public


@blueprint.get("/outbox")
@public("development only: there is nobody's real mail in it")
def outbox() -> ResponseReturnValue:
    """List the mails that would have been sent."""
    _only_in_development()
    return render_template("portal/outbox.html", mails=outbox_mails(settings().data_dir))


@blueprint.get("/outbox/<string:message_id>")
@public("development only: there is nobody's real mail in it")
def outbox_letter(message_id: str) -> ResponseReturnValue:
    """Show one mail."""
    _only_in_development()
    mail = outbox_mail(settings().data_dir, message_id)
    if mail is None:
        abort(404)
    return render_template("portal/outbox_letter.html", mail=mail)


@blueprint.get("/demo-service/<string:service_slug>")
@public("development only: stands in for a service, which has its own door")
def demo_service(service_slug: str) -> ResponseReturnValue:
    """Stand in for the service behind a tile."""
    _only_in_development()
    service = service_with_slug(service_slug)
    if service is None:
        abort(404)
    return render_template("portal/demo_service.html", service=service)


def _only_in_development() -> None:
    if not settings().development:
        abort(404)
