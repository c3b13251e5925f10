# Generated from a schema diff on 2026-11-23 22:33.
from peewee import *
from app.kernel.database import UTCDateTimeField


def up(migrator, db):
    class Attempts(Model):
        key_hash = CharField(unique=True, max_length=64)
        since = UTCDateTimeField(index=True)
        count = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "attempts"

    db.create_tables([Attempts])

    class Service(Model):
        slug = CharField(unique=True, max_length=60)
        name = CharField(max_length=100)
        sentence = CharField(max_length=200)
        launch_address = CharField(max_length=500)
        state = CharField(max_length=20, default="live")
        second_factor = BooleanField(default=False)

        class Meta:
            database = db
            table_name = "service"

    db.create_tables([Service])

    class Client(Model):
        public_id = CharField(unique=True, max_length=40)
        name = CharField(max_length=100)
        service = ForeignKeyField(Service, null=True, on_delete="CASCADE")
        kinds = JSONField(default=list)
        key_hash = CharField(unique=True, max_length=64)
        created_at = UTCDateTimeField()
        ended_at = UTCDateTimeField(null=True)

        class Meta:
            database = db
            table_name = "client"

    db.create_tables([Client])

    class DecisionRecord(Model):
        public_id = CharField(unique=True, max_length=40)
        at = UTCDateTimeField(index=True)
        client = CharField(max_length=80)
        subject = CharField(max_length=200)
        action = CharField(max_length=200)
        resource = CharField(max_length=400)
        organisation = CharField(max_length=40, default="")
        allowed = BooleanField()
        reason = CharField(max_length=40)
        policy = CharField(max_length=64)
        revision = IntegerField()
        milliseconds = FloatField()

        class Meta:
            database = db
            table_name = "decision_record"

    db.create_tables([DecisionRecord])

    class Person(Model):
        public_id = CharField(unique=True, max_length=40)
        name = CharField(index=True, max_length=120)
        state = CharField(max_length=20, default="invited")
        password_hash = CharField(max_length=200, default="")
        created_at = UTCDateTimeField()
        activated_at = UTCDateTimeField(null=True)
        last_sign_in_at = UTCDateTimeField(null=True)

        class Meta:
            database = db
            table_name = "person"

    db.create_tables([Person])

    class EmailAddress(Model):
        person = ForeignKeyField(Person, on_delete="CASCADE")
        address = CharField(unique=True, max_length=254)
        primary = BooleanField(default=True)

        class Meta:
            database = db
            table_name = "email_address"

    db.create_tables([EmailAddress])

    class Event(Model):
        revision = AutoField()
        at = UTCDateTimeField(index=True)
        name = CharField(max_length=40)
        by = CharField(max_length=80)
        subject = CharField(index=True, max_length=80)
        organisation = CharField(index=True, max_length=40, default="")
        details = JSONField(default=dict)

        class Meta:
            database = db
            table_name = "event"

    db.create_tables([Event])

    class Organisation(Model):
        public_id = CharField(unique=True, max_length=40)
        centre_number = CharField(unique=True, max_length=5)
        name = CharField(index=True, max_length=200)
        state = CharField(max_length=20, default="active")
        time_zone = CharField(max_length=60, default="Europe/London")
        created_at = UTCDateTimeField()

        class Meta:
            database = db
            table_name = "organisation"

    db.create_tables([Organisation])

    class Membership(Model):
        public_id = CharField(unique=True, max_length=40)
        person = ForeignKeyField(Person, on_delete="CASCADE")
        organisation = ForeignKeyField(Organisation, on_delete="CASCADE")
        state = CharField(max_length=20, default="active")
        created_at = UTCDateTimeField()

        class Meta:
            database = db
            table_name = "membership"
            indexes = ((("person", "organisation"), True),)

    db.create_tables([Membership])

    class Role(Model):
        slug = CharField(unique=True, max_length=120)
        service = ForeignKeyField(Service, null=True, on_delete="CASCADE")
        name = CharField(max_length=100)
        sentence = CharField(max_length=200)
        officers_may_give = BooleanField(default=True)
        position = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "role"

    db.create_tables([Role])

    class Grant(Model):
        membership = ForeignKeyField(Membership, on_delete="CASCADE")
        role = ForeignKeyField(Role, on_delete="CASCADE")
        first_day = DateField(null=True)
        last_day = DateField(null=True)
        given_by = ForeignKeyField(Person, null=True, on_delete="SET NULL")
        reason = CharField(max_length=200, default="")
        created_at = UTCDateTimeField()

        class Meta:
            database = db
            table_name = "grant"
            indexes = ((("membership", "role"), True),)

    db.create_tables([Grant])

    class Invitation(Model):
        token_hash = CharField(unique=True, max_length=64)
        person = ForeignKeyField(Person, on_delete="CASCADE")
        organisation = ForeignKeyField(Organisation, null=True, on_delete="CASCADE")
        invited_by = ForeignKeyField(Person, null=True, on_delete="SET NULL")
        created_at = UTCDateTimeField()
        ends_at = UTCDateTimeField()
        used_at = UTCDateTimeField(null=True)
        cancelled_at = UTCDateTimeField(null=True)

        class Meta:
            database = db
            table_name = "invitation"

    db.create_tables([Invitation])

    class Mail(Model):
        message_id = CharField(unique=True, max_length=120)
        to_address = CharField(max_length=254)
        subject = CharField(max_length=200)
        body = TextField()
        state = CharField(max_length=20, default="waiting")
        created_at = UTCDateTimeField()
        due_at = UTCDateTimeField()
        tries = IntegerField(default=0)
        sent_at = UTCDateTimeField(null=True)

        class Meta:
            database = db
            table_name = "mail"
            indexes = ((("state", "due_at"), False),)

    db.create_tables([Mail])

    class PasswordReset(Model):
        token_hash = CharField(unique=True, max_length=64)
        person = ForeignKeyField(Person, on_delete="CASCADE")
        created_at = UTCDateTimeField()
        ends_at = UTCDateTimeField()
        used_at = UTCDateTimeField(null=True)

        class Meta:
            database = db
            table_name = "password_reset"

    db.create_tables([PasswordReset])

    class Session(Model):
        token_hash = CharField(unique=True, max_length=64)
        person = ForeignKeyField(Person, on_delete="CASCADE")
        started_at = UTCDateTimeField()
        seen_at = UTCDateTimeField()
        ended_at = UTCDateTimeField(null=True)

        class Meta:
            database = db
            table_name = "session"

    db.create_tables([Session])

    class StaffGrant(Model):
        person = ForeignKeyField(Person, on_delete="CASCADE")
        role = CharField(max_length=20)
        created_at = UTCDateTimeField()

        class Meta:
            database = db
            table_name = "staff_grant"
            indexes = ((("person", "role"), True),)

    db.create_tables([StaffGrant])


def down(migrator, db):
    migrator.migrate(migrator.drop_table("staff_grant"))
    migrator.migrate(migrator.drop_table("session"))
    migrator.migrate(migrator.drop_table("password_reset"))
    migrator.migrate(migrator.drop_table("mail"))
    migrator.migrate(migrator.drop_table("invitation"))
    migrator.migrate(migrator.drop_table("grant"))
    migrator.migrate(migrator.drop_table("role"))
    migrator.migrate(migrator.drop_table("membership"))
    migrator.migrate(migrator.drop_table("organisation"))
    migrator.migrate(migrator.drop_table("event"))
    migrator.migrate(migrator.drop_table("email_address"))
    migrator.migrate(migrator.drop_table("person"))
    migrator.migrate(migrator.drop_table("decision_record"))
    migrator.migrate(migrator.drop_table("client"))
    migrator.migrate(migrator.drop_table("service"))
    migrator.migrate(migrator.drop_table("attempts"))
