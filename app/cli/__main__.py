"""`python -m app.cli`: the same as `tessera`."""

from app.cli import main

main(prog_name="tessera")
