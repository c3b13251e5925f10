"""What a WSGI server loads: `wsgi:app`."""

from app.factory import create_app

app = create_app()
