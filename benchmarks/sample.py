"""The sample that every engine is asked about: some people of a directory, each with one service."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from app.accounts.models import Person
from app.authz import facts
from app.authz.engine.engine import Engine
from app.authz.information.cache import DirectoryView
from app.config import Settings
from app.kernel import database
from app.runtime import Runtime, use
from app.vocabulary import PersonState
from benchmarks.portal import ROOT

SIZE = 400


class Sample:
    """`size` people of the directory in `data`, and for each the service that the question is about.

    Whoever asks about them first makes `runtime`, with the shipped policy, the one of this process.
    """

    def __init__(self, data: Path, size: int = SIZE) -> None:
        settings = Settings(database_url=f"sqlite:///{data / 'tessera.db'}")
        self.view = DirectoryView(settings.cache_people)
        self.runtime = Runtime(
            settings=settings,
            database=database.open_database(settings.database_url),
            engine=Engine.load(ROOT / "policies"),
            view=self.view,
        )
        use(self.runtime)
        chance = random.Random(1)  # noqa: S311  (a choice, not a secret)
        with database.connected():
            states = Person.select(Person.public_id).where(Person.state == PersonState.ACTIVE)
            self.everybody = sorted(name for (name,) in states.tuples())
        chance.shuffle(self.everybody)
        self.services = sorted(service.slug for service in self.view.services())
        self.names = [(name, chance.choice(self.services)) for name in self.everybody[:size]]
        self.facts = [(self._person(name), self._service(slug)) for name, slug in self.names]

    def _person(self, name: str) -> facts.Person:
        person = self.view.person(name)
        assert person is not None
        return person

    def _service(self, slug: str) -> facts.Service:
        service = self.view.service(slug)
        assert service is not None
        return service


def roles_in_force(membership: facts.Membership) -> Iterator[facts.Role]:
    """Yield each role of a service that is held by a membership now, in whatever state membership and holder are."""
    for grant in membership.grants:
        if grant.in_force(time.time()) and grant.role.service is not None:
            yield grant.role


def roles_held(person: facts.Person) -> Iterator[tuple[facts.Role, str]]:
    """Yield each role of a service that counts for a person now, and the public id of the organisation."""
    for membership in person.memberships:
        if person.state == membership.state == membership.organisation.state == "active":
            for role in roles_in_force(membership):
                yield role, membership.organisation.public_id


def service_of(role: facts.Role) -> str:
    """Return the slug of the service that a role from `roles_in_force` belongs to."""
    assert role.service is not None
    return role.service.slug
