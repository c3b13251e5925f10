"""Whose facts an event changes, so that caches forget just this person."""

from peewee import CharField


def up(migrator, db):
    migrator.migrate(migrator.add_column("event", "person", CharField(max_length=40, default="")))


def down(migrator, db):
    migrator.migrate(migrator.drop_column("event", "person"))
