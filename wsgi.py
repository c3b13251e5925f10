"""What a WSGI server loads: `wsgi:app`."""

from app.config import wants_json_lines
from app.factory import create_app
from app.kernel import log

log.configure(as_json=wants_json_lines())
app = create_app()
