"""Random facts for Hypothesis: directories that are mostly in good standing, so that much is allowed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from app.authz import facts

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOMENTS = st.none() | st.none() | st.sampled_from([NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)])
CLOCKS = st.sampled_from([NOW - timedelta(days=2), NOW - timedelta(microseconds=1), NOW, NOW + timedelta(days=2)])
STATES = ["active"] * 12 + ["suspended", "closed", "invited", "ended"]
MANAGES = "portal:user-management"
STATUSES = st.sampled_from(["archived", "archived", "active", "active", "a", 1, True, None])
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "status": STATUSES,
        "size": st.sampled_from([1, 1, 2, 2, 0, 2.0, 0.5, -0.0, 0.0, "a", True, None]),
        "tags": st.lists(st.sampled_from(["x", "x", "x", "y", 1, True, None]), min_size=1, max_size=2),
        "soft": st.booleans(),
        "owner": st.sampled_from(["a", "b", 1]),
        "nested": st.fixed_dictionaries({"status": STATUSES}) | STATUSES,
    },
)


@st.composite
def directories(draw: st.DrawFn) -> "Directory":
    return Directory(draw)


class Directory:
    """A few people at a few organisations, with the services, roles and programs around them."""

    def __init__(self, draw: st.DrawFn) -> None:
        mostly = st.sampled_from(STATES)
        self.places = [facts.Organisation(name, draw(mostly), "UTC") for name in "ab"]
        self.services = [facts.Service(name, draw(st.sampled_from(["live", "live", "hidden"]))) for name in "st"]
        slugs = [
            (MANAGES, None),
            ("portal:other", None),
            *((f"{service.slug}:{role}", service) for service in self.services for role in "12"),
        ]
        givable = {slug: draw(st.booleans()) for slug, _ in slugs}

        def role(slug: str, service: facts.Service | None, at: facts.Organisation | None) -> facts.Role:
            # Loaded anew each time, as rows are: the same role is then another object.
            owner = service and facts.Service(service.slug, service.state)
            return facts.Role(slug, owner, at, officers_may_give=givable[slug])

        self.roles = [role(slug, service, at) for slug, service in slugs for at in (None, *self.places)]

        def memberships(person: facts.Person) -> Iterator[facts.Membership]:
            for at in draw(st.lists(st.sampled_from(self.places), max_size=2, unique=True)):
                grants = tuple(
                    facts.Grant(role(*draw(st.sampled_from(slugs)), at), draw(MOMENTS), draw(MOMENTS))
                    for _ in range(draw(st.integers(0, 3)))
                )
                yield facts.Membership(f"{person.public_id}@{at.public_id}", person, at, draw(mostly), grants)

        self.people = []
        for name in "abc":
            staff = tuple(draw(st.lists(st.sampled_from(["support", "auditor"]), max_size=2)))
            person = facts.Person(name, draw(mostly), staff, facts.Properties(draw(PROPERTIES)))
            self.people.append(facts.with_memberships(person, memberships))
        # Left to chance alone, hardly anybody would be an exams officer with somebody to look after.
        officers = facts.Grant(role(MANAGES, None, self.places[0]), None, None)
        self.officer = self._member("o", "active", "active", (officers,))
        self.invited = self._member("i", "invited", "suspended", ())
        self.client = facts.Client(
            "c",
            draw(mostly),
            draw(st.sampled_from([None, *self.services])),
            tuple(draw(st.lists(st.sampled_from(["service", "role"]), max_size=2))),
            draw(st.sampled_from([False, False, True])),
        )
        self.evaluations = [
            facts.Evaluation(kind, service) for kind in ("service", "role", "x") for service in (None, *self.services)
        ]
        self.records = [
            facts.declared_kind("Record")(name, facts.Properties(draw(PROPERTIES)))  # a thing of a pack
            for name in ("1", "2")
        ]
        self.contexts = [
            facts.Context(at, facts.Properties(draw(PROPERTIES)), facts.Properties(draw(PROPERTIES)))
            for at in (None, *self.places)
        ]
        self.now = draw(CLOCKS)

    def _member(self, name: str, state: str, standing: str, grants: tuple[facts.Grant, ...]) -> facts.Person:
        person, at = facts.Person(name, state, ()), self.places[0]
        facts.with_memberships(
            person, lambda _: (facts.Membership(f"{name}@{at.public_id}", person, at, standing, grants),)
        )
        return person

    @property
    def everybody(self) -> list[facts.Person]:
        """The people of chance, an exams officer, and somebody who was invited and then suspended."""
        return [*self.people, self.officer, self.invited]

    @property
    def actors(self) -> list[facts.Fact]:
        """Everybody who may ask for something."""
        return [*self.everybody, self.client, self.client, facts.Guest(), facts.Operator()]

    @property
    def resources(self) -> list[facts.Fact]:
        """Everything that may be asked about under the shipped policy."""
        memberships = [membership for person in self.everybody for membership in person.memberships]
        portal_and_platform = [facts.Portal(), facts.Platform()]
        return [
            *self.everybody,
            *memberships,
            *self.places,
            *self.services,
            *self.roles,
            *self.evaluations,
            self.client,
            *portal_and_platform,
        ]
