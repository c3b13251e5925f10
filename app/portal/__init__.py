"""For everybody who has signed in: the tiles, the account, and the choice of organisation."""

from flask import Blueprint

blueprint = Blueprint("portal", __name__)

from app.portal import account, development, home  # noqa: E402, F401  (views register themselves on the blueprint)
