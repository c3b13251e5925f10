"""The decision API: programs ask here whether a person may do something, and their authors read how."""

from app.api import records, views
from app.api.reference import views as reference
from app.api.transport.fast_path import FastPath
from app.api.transport.routing import blueprint

__all__ = ["FastPath", "blueprint", "records", "reference", "views"]
