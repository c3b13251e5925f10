"""What a WSGI server loads: `wsgi:app`."""

from app.factory import create_app
from app.kernel import log

log.configure()
app = create_app()
