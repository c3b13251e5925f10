"""What messages look like, as marshmallow and the OpenAPI document have it."""
