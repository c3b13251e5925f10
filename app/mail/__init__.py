"""Outgoing mail: queued in the transaction of the change that causes it, and sent by a worker."""
