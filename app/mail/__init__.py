"""Outgoing mail: written with the change that causes it, sent by a worker, never lost."""
