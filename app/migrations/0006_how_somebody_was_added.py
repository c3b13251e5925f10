"""The name under which somebody with an account was added to one more organisation."""

from peewee import CharField


def up(migrator, db):
    migrator.migrate(migrator.add_column("membership", "added_as", CharField(max_length=120, default="")))


def down(migrator, db):
    migrator.migrate(migrator.drop_column("membership", "added_as"))
