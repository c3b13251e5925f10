"""People: accounts, addresses, passwords and sessions."""
