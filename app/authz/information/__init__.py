"""The policy information point: rows become facts here, and are kept in a cache that is never stale."""
