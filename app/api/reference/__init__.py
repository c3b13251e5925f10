"""What authors of programs read: the OpenAPI document, samples and the page drawn from them."""
