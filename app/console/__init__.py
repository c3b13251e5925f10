"""For the operator's support staff: organisations and their first exams officers."""

from flask import Blueprint

blueprint = Blueprint("console", __name__, url_prefix="/console")

from app.console import organisations  # noqa: E402, F401  (views register themselves on the blueprint)
