"""The role that makes an exams officer: without it nobody could be the first one of a new organisation."""

from peewee import BooleanField, CharField, IntegerField, Model


def up(migrator, db):
    class Role(Model):
        slug = CharField(unique=True, max_length=120)
        name = CharField(max_length=100)
        sentence = CharField(max_length=200)
        officers_may_give = BooleanField(default=True)
        position = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "role"

    Role.insert(
        slug="portal:user-management",
        name="User management",
        sentence="Adds people to the organisation and gives them their roles.",
    ).on_conflict_ignore().execute()


def down(migrator, db):
    db.execute_sql("delete from role where slug = 'portal:user-management'")
