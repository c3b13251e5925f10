"""The decision API: programs ask here whether a person may do something, and their authors read how."""

from app.api.views import blueprint

__all__ = ["blueprint"]
