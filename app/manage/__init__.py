"""The surface for exams officers: the users of their organisation, and what each may open."""

from flask import Blueprint

blueprint = Blueprint("manage", __name__, url_prefix="/organisations/<string:organisation_id>/users")

from app.manage import add_users, membership_lifecycle, users, why  # noqa: E402, F401  (views register themselves on the blueprint)
