"""The catalogue: services, their roles, and the clients of the decision API."""
