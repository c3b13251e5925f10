"""People and their accounts: addresses, passwords, sessions, and the mailed links that activate an account."""
