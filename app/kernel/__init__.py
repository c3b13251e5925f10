"""The ground under every room: database, clock, ids, tokens, paging and errors."""
