"""The web server: HTTP in, WSGI out, and the processes that do it. Knows nothing of what is served."""
