"""The catalogue: services, their roles, and the clients that ask about them."""
