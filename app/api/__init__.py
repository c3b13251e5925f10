"""The decision API: programs ask here whether a person may do something, and their authors read how."""

from app.api import documents, registration, views
from app.api.door import Door
from app.api.routing import blueprint

__all__ = ["Door", "blueprint", "documents", "registration", "views"]
