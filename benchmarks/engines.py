"""Other engines in process, each with the same rule in its own language.

The question is whether a person may open a service. The rule: person, membership, organisation and service are in good
standing, and the membership holds a role of the service that is in force. Each function prepares one engine and returns
a function that asks it about the whole sample. What can be prepared once is prepared: policies and data are parsed,
questions are in the form that the engine takes.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from app.authz import facts
from benchmarks.peers import install_spicedb
from benchmarks.portal import ROOT
from benchmarks.sample import Sample, roles_held, roles_in_force, service_of
from tests.authz.engine.plain_oso import PlainOso

Ask = Callable[[], list[bool]]


def plain_oso(sample: Sample) -> Ask:
    """Ask unmodified oso, with the shipped policy, about plain objects."""
    oso = PlainOso(*sorted((ROOT / "policies").glob("*.polar")))
    now, context = time.time(), oso.copied(facts.Context(), time.time())
    pairs = [(oso.copied(person, now), oso.copied(service, now)) for person, service in sample.facts]
    return lambda: [oso.ask(person, "launch", service, context) for person, service in pairs]


def pycasbin(sample: Sample) -> Ask:
    """Ask pycasbin, by roles within domains. It knows no states and no dates, so it gets the roles that count now."""
    import casbin

    model = casbin.Enforcer.new_model()
    model.add_def("r", "r", "sub, dom, obj, act")
    model.add_def("p", "p", "sub, obj, act")
    model.add_def("g", "g", "_, _, _")
    model.add_def("e", "e", "some(where (p.eft == allow))")
    model.add_def("m", "m", "g(r.sub, p.sub, r.dom) && r.obj == p.obj && r.act == p.act")
    enforcer = casbin.Enforcer(model)
    for role in sample.view.roles():
        if role.service is not None:
            enforcer.add_policy(role.slug, role.service.slug, "launch")
    questions = []
    for person, service in sample.facts:
        held = list(roles_held(person))
        for role, domain in held:
            enforcer.add_role_for_user_in_domain(person.public_id, role.slug, domain)
        # A question names one domain, so it is the right one.
        domains = [domain for role, domain in held if role.service == service] or ["none"]
        questions.append((person.public_id, domains[0], service.slug))
    return lambda: [enforcer.enforce(name, domain, slug, "launch") for name, domain, slug in questions]


CEDAR = """
permit(principal, action == Action::"launch", resource)
when { principal.state == "active" && resource.state == "live" && principal in resource.openers };
"""


def cedarpy(sample: Sample, *, parsed: bool) -> Ask:
    """Ask cedarpy: with the text of policy and entities in each call, or with both `parsed` beforehand."""
    import cedarpy as cedar

    questions = []
    for person, service in sample.facts:
        openers = sorted({service_of(role) for role, _domain in roles_held(person)})
        entities = json.dumps(
            [
                {
                    "uid": {"type": "User", "id": person.public_id},
                    "attrs": {"state": person.state},
                    "parents": [{"type": "Openers", "id": slug} for slug in openers],
                },
                {
                    "uid": {"type": "Service", "id": service.slug},
                    "attrs": {
                        "state": service.state,
                        "openers": {"__entity": {"type": "Openers", "id": service.slug}},
                    },
                    "parents": [],
                },
            ]
        )
        request = {
            "principal": f"User::{json.dumps(person.public_id)}",
            "action": 'Action::"launch"',
            "resource": f"Service::{json.dumps(service.slug)}",
            "context": {},
        }
        questions.append((request, cedar.Entities.from_json_str(entities) if parsed else entities))
    policies = cedar.PolicySet.from_str(CEDAR) if parsed else CEDAR
    return lambda: [bool(cedar.is_authorized(request, policies, entities).allowed) for request, entities in questions]


REGO = """
package tessera

default allow := false

allow if {
  person := data.people[input.person]
  person.state == "active"
  data.services[input.service].state == "live"
  some membership in person.memberships
  membership.state == "active"
  data.organisations[membership.organisation].state == "active"
  some grant in membership.grants
  grant.service == input.service
  grant.begins <= input.now
  input.now < grant.ends
}
"""
_REGO_RULE = "data.tessera.allow"


def regorus(sample: Sample, *, compiled: bool) -> Ask:
    """Ask regorus, which has the facts of the sample as its data: interpreted, or `compiled` for its virtual machine.

    A question names person, service and the present moment.
    """
    import regorus as rego

    data = json.dumps(_rego_data(sample))
    questions = [
        json.dumps({"person": person.public_id, "service": service.slug, "now": time.time()})
        for person, service in sample.facts
    ]
    if compiled:
        machine = rego.Rvm()
        machine.load_program(rego.Program.compile_from_modules(data, [("rule.rego", REGO)], [_REGO_RULE]))
        machine.set_data_json(data)

        def ask_machine() -> list[bool]:
            answers = []
            for question in questions:
                machine.set_input_json(question)
                answers.append(machine.execute() == "true")
            return answers

        return ask_machine

    engine = rego.Engine()
    engine.add_policy("rule.rego", REGO)
    engine.add_data_json(data)

    def ask_engine() -> list[bool]:
        answers = []
        for question in questions:
            engine.set_input_json(question)
            answers.append(engine.eval_rule(_REGO_RULE))
        return answers

    return ask_engine


def _rego_data(sample: Sample) -> dict[str, Any]:
    organisations = {m.organisation.public_id: m.organisation for p, _service in sample.facts for m in p.memberships}
    return {
        "services": {service.slug: {"state": service.state} for service in sample.view.services()},
        "organisations": {public_id: {"state": one.state} for public_id, one in organisations.items()},
        "people": {
            person.public_id: {
                "state": person.state,
                "memberships": [
                    {
                        "state": membership.state,
                        "organisation": membership.organisation.public_id,
                        # Only those in force are listed; that the rule compares their dates costs what it costs.
                        "grants": [
                            {"service": service_of(role), "begins": 0, "ends": 1e12}
                            for role in roles_in_force(membership)
                        ],
                    }
                    for membership in person.memberships
                ],
            }
            for person, _service in sample.facts
        },
    }


SPICEDB = """
definition service {
  relation live: service
}
definition role {
  relation service: service
}
definition organisation {
  relation active: service:*
}
definition membership {
  relation active: service:*
  relation organisation: organisation
  relation role: role
  permission opens = active & organisation->active & role->service
}
definition person {
  relation active: service:*
  relation membership: membership
  permission opens = active & membership->opens
}
"""
_HAS_PERMISSION = 2


def spicedb(sample: Sample) -> Ask:
    """Ask SpiceDB by CheckPermission, with its server in this process and its gRPC messages passed through a C call.

    People are the resources and services the subjects, so that a check starts from the few memberships of a person and
    not from everybody who may open a service. A state is a relationship that is there or not, as is a grant. Raises
    `MissingPeerError`.
    """
    install_spicedb()
    from authzed.api.v1 import CheckPermissionRequest, ObjectReference, SubjectReference
    from spicedb_embedded import EmbeddedSpiceDB

    server = EmbeddedSpiceDB.start(SPICEDB)
    _write(server, sorted(_relationships(sample)))
    questions = [
        CheckPermissionRequest(
            resource=ObjectReference(object_type="person", object_id=person.public_id),
            permission="opens",
            subject=SubjectReference(object=ObjectReference(object_type="service", object_id=service.slug)),
        )
        for person, service in sample.facts
    ]
    check = server.permissions().CheckPermission
    return lambda: [check(question).permissionship == _HAS_PERMISSION for question in questions]


def _relationships(sample: Sample) -> set[tuple[str, str, str, str]]:
    """Return type and id of a resource, a relation, and type and id of its subject, as `type:id`, for the sample."""
    found = set()
    live = {service.slug for service in sample.view.services() if service.state == "live"}
    for role in sample.view.roles():
        if role.service is not None and role.service.slug in live:
            found.add((f"role:{_id(role.slug)}", "service", "service", role.service.slug))
    for person, _service in sample.facts:
        if person.state == "active":
            found.add((f"person:{person.public_id}", "active", "service", "*"))
        for membership in person.memberships:
            name = f"{person.public_id}/{membership.organisation.public_id}"
            organisation = f"organisation:{membership.organisation.public_id}"
            found.add((f"person:{person.public_id}", "membership", "membership", name))
            found.add((f"membership:{name}", "organisation", *organisation.split(":")))
            if membership.state == "active":
                found.add((f"membership:{name}", "active", "service", "*"))
            if membership.organisation.state == "active":
                found.add((organisation, "active", "service", "*"))
            for role in roles_in_force(membership):
                found.add((f"membership:{name}", "role", "role", _id(role.slug)))
    return found


def _id(slug: str) -> str:
    """Return the slug of a role in the characters that SpiceDB allows in an id."""
    return slug.replace(":", "/")


def _write(server: Any, relationships: list[tuple[str, str, str, str]]) -> None:
    from authzed.api.v1 import (
        ObjectReference,
        Relationship,
        RelationshipUpdate,
        SubjectReference,
        WriteRelationshipsRequest,
    )

    updates = [
        RelationshipUpdate(
            operation=RelationshipUpdate.Operation.OPERATION_TOUCH,
            relationship=Relationship(
                resource=ObjectReference(object_type=resource.split(":")[0], object_id=resource.split(":")[1]),
                relation=relation,
                subject=SubjectReference(object=ObjectReference(object_type=kind, object_id=name)),
            ),
        )
        for resource, relation, kind, name in relationships
    ]
    # It takes at most 1,000 in one request.
    for start in range(0, len(updates), 1_000):
        server.permissions().WriteRelationships(WriteRelationshipsRequest(updates=updates[start : start + 1_000]))
