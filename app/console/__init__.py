"""For the operator's support staff and auditors: organisations, and the decisions that programs were given."""

from flask import Blueprint

blueprint = Blueprint("console", __name__, url_prefix="/console")

from app.console import decisions, organisations  # noqa: E402, F401  (views register themselves on the blueprint)
