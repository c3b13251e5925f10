"""What a WSGI server loads: `wsgi:app`."""

from app.cli.policy_check import checked_policy
from app.config import read_settings
from app.factory import create_app

_settings = read_settings()
app = create_app(_settings, checked_policy(_settings))
