"""The words that the code and the policy share. Imports nothing of the project.

A word that a policy, a page and a table all use has its one home here. The structure tests compare
`PERMISSIONS` with the resource blocks in `policies/`, so neither can drift from the other.
"""

from enum import StrEnum


class PersonState(StrEnum):
    """The state of a person's account."""

    INVITED = "invited"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class OrganisationState(StrEnum):
    """The state of a school or college."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class MembershipState(StrEnum):
    """The state of a person's membership of an organisation."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class ServiceState(StrEnum):
    """Whether a service is offered."""

    LIVE = "live"
    HIDDEN = "hidden"
    RETIRED = "retired"


class StaffRole(StrEnum):
    """Roles held on the platform, never on an organisation."""

    SUPPORT = "support"
    CATALOGUE = "catalogue"
    POLICY_AUTHOR = "policy_author"
    AUDITOR = "auditor"


class Action(StrEnum):
    """Every verb that can be asked about. `read` means: may know that it exists."""

    ACT_IN = "act_in"
    ADD_CLIENT = "add_client"
    ADD_ORGANISATION = "add_organisation"
    ADD_PERSON = "add_person"
    ADD_SERVICE = "add_service"
    ADD_STAFF = "add_staff"
    ASK = "ask"
    CANCEL_INVITATION = "cancel_invitation"
    CHANGE = "change"
    CHANGE_DETAILS = "change_details"
    CHANGE_PASSWORD = "change_password"  # noqa: S105  (an action, not a password)
    CHANGE_ROLES = "change_roles"
    CHANGE_STAFF_ROLES = "change_staff_roles"
    CHANGE_STATE = "change_state"
    CREATE_ACCOUNT = "create_account"
    END = "end"
    GIVE = "give"
    LAUNCH = "launch"
    LEARN_ABOUT = "learn_about"
    LIST_ORGANISATIONS = "list_organisations"
    LIST_PEOPLE = "list_people"
    MERGE = "merge"
    READ = "read"
    READ_DECISIONS = "read_decisions"
    REACTIVATE = "reactivate"
    REGISTER = "register"
    REMOVE = "remove"
    RESEND_INVITATION = "resend_invitation"
    ROTATE = "rotate"
    SEE_HOME = "see_home"
    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    SUSPEND = "suspend"
    USE = "use"


PERMISSIONS: dict[str, frozenset[Action]] = {
    "Client": frozenset({Action.END, Action.ROTATE}),
    "Evaluation": frozenset({Action.ASK, Action.REGISTER}),
    "Membership": frozenset(
        {
            Action.READ,
            Action.CHANGE_ROLES,
            Action.SUSPEND,
            Action.REACTIVATE,
            Action.REMOVE,
            Action.RESEND_INVITATION,
            Action.CANCEL_INVITATION,
        }
    ),
    "Organisation": frozenset(
        {
            Action.READ,
            Action.ACT_IN,
            Action.LIST_PEOPLE,
            Action.ADD_PERSON,
            Action.CHANGE,
            Action.CHANGE_STATE,
            Action.MERGE,
        }
    ),
    "Person": frozenset(
        {
            Action.READ,
            Action.CHANGE_DETAILS,
            Action.CHANGE_PASSWORD,
            Action.CHANGE_STAFF_ROLES,
            Action.CHANGE_STATE,
            Action.LEARN_ABOUT,
            Action.SIGN_OUT,
        }
    ),
    "Platform": frozenset(
        {
            Action.LIST_ORGANISATIONS,
            Action.ADD_CLIENT,
            Action.ADD_ORGANISATION,
            Action.ADD_SERVICE,
            Action.ADD_STAFF,
            Action.READ_DECISIONS,
        }
    ),
    "Portal": frozenset({Action.SIGN_IN, Action.CREATE_ACCOUNT, Action.SEE_HOME}),
    "Role": frozenset({Action.GIVE, Action.USE, Action.CHANGE, Action.CHANGE_STATE}),
    "Service": frozenset({Action.READ, Action.LAUNCH, Action.CHANGE, Action.CHANGE_STATE}),
}
"""The permissions of each type of resource; the same sets are declared in the Polar blocks."""

NO_QUESTIONS: dict[str, frozenset[Action]] = {"Service": frozenset({Action.READ})}
"""Permissions that pages ask for and programs may not: that everybody with an account may read of a service would tell
its programs who has one."""

USER_MANAGEMENT = "portal:user-management"
"""The role that makes its holder an exams officer."""

SUBJECT_TYPES = frozenset({"person", "user"})
"""What a caller may name a human by; AuthZEN's own examples say `user`."""

DIRECTORY_KINDS = frozenset({"service", "role"})
"""The types that every client may ask about, for its own service. Any other type belongs to one service."""


class Reason(StrEnum):
    """Machine codes for why a decision is what it is."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not_allowed"
    NOT_SIGNED_IN = "not_signed_in"
    UNKNOWN_SUBJECT = "unknown_subject"
    UNKNOWN_RESOURCE = "unknown_resource"
    UNKNOWN_ORGANISATION = "unknown_organisation"
    UNKNOWN_ACTION = "unknown_action"
    PERSON_NOT_ACTIVE = "person_not_active"
    NO_MEMBERSHIP = "no_membership"
    MEMBERSHIP_NOT_ACTIVE = "membership_not_active"
    ORGANISATION_NOT_ACTIVE = "organisation_not_active"
    SERVICE_NOT_LIVE = "service_not_live"
    ROLE_MISSING = "role_missing"
    ROLE_NOT_STARTED = "role_not_started"
    ROLE_ENDED = "role_ended"
    OWN_MEMBERSHIP = "own_membership"
    POLICY_ERROR = "policy_error"
    NOT_ANSWERED = "not_answered"


REASON_SENTENCES: dict[Reason, str] = {
    Reason.ALLOWED: "The policy allows this.",
    Reason.NOT_ALLOWED: "The policy does not allow this.",
    Reason.NOT_SIGNED_IN: "Nobody is signed in.",
    Reason.UNKNOWN_SUBJECT: "No such person is known.",
    Reason.UNKNOWN_RESOURCE: "No such resource is known.",
    Reason.UNKNOWN_ORGANISATION: "No such organisation is known.",
    Reason.UNKNOWN_ACTION: "This action is not known for this type of resource.",
    Reason.PERSON_NOT_ACTIVE: "The person's account is not active.",
    Reason.NO_MEMBERSHIP: "The person does not belong to an organisation that could give access.",
    Reason.MEMBERSHIP_NOT_ACTIVE: "The person's place at the organisation is not active.",
    Reason.ORGANISATION_NOT_ACTIVE: "The organisation is not active.",
    Reason.SERVICE_NOT_LIVE: "The service is not open.",
    Reason.ROLE_MISSING: "The person has not been given a role that allows this.",
    Reason.ROLE_NOT_STARTED: "The person's role has not started yet.",
    Reason.ROLE_ENDED: "The last day of the person's role is over.",
    Reason.OWN_MEMBERSHIP: "Nobody changes their own access.",
    Reason.POLICY_ERROR: "The policy could not be evaluated, so the answer is no.",
    Reason.NOT_ANSWERED: "The question could not be answered, so the answer is no.",
}


class Who(StrEnum):
    """Who may make a change that would turn a no into a yes."""

    EXAMS_OFFICERS = "exams_officers"
    SUPPORT = "support"
    PERSON = "person"
    OPERATOR = "operator"
    NOBODY = "nobody"


CHANGE_SENTENCES: dict[Reason, str] = {
    Reason.PERSON_NOT_ACTIVE: "The account becomes active.",
    Reason.OWN_MEMBERSHIP: "Somebody else does it, because nobody changes their own access.",
    Reason.NO_MEMBERSHIP: "The account is added to the users of {organisation}.",
    Reason.ORGANISATION_NOT_ACTIVE: "{organisation} becomes active again.",
    Reason.MEMBERSHIP_NOT_ACTIVE: "The account is reactivated at {organisation}.",
    Reason.SERVICE_NOT_LIVE: "The service is opened.",
    Reason.ROLE_NOT_STARTED: "The role {role} at {organisation} gets an earlier first day.",
    Reason.ROLE_ENDED: "The role {role} at {organisation} gets a later last day, or none.",
    Reason.ROLE_MISSING: "The role {role} is given at {organisation}.",
}
"""The change that would turn a deny into an allow, by its reason."""

STAFF_ROLE_SENTENCES: dict[StaffRole, str] = {
    StaffRole.SUPPORT: "The account becomes one of the support staff.",
    StaffRole.CATALOGUE: "The account becomes one of the staff who look after the services.",
    StaffRole.POLICY_AUTHOR: "The account becomes one of the staff who write the rules.",
    StaffRole.AUDITOR: "The account becomes one of the staff who check what was decided.",
}
"""The same, where a role on the platform is missing."""

USER_SENTENCES: dict[str, str] = {
    MembershipState.ACTIVE: "The user whom this is about is reactivated at {organisation}.",
    MembershipState.SUSPENDED: "The user whom this is about is suspended at {organisation}.",
    PersonState.INVITED: "The user whom this is about has not activated their account yet.",
}
"""The same, where the membership or account of another person would have to be in a different state, by state."""

WHO_SENTENCES: dict[Who, str] = {
    Who.EXAMS_OFFICERS: "An exams officer of {organisation} can do this.",
    Who.SUPPORT: "The support desk can do this.",
    Who.PERSON: "This is done with the link in the invitation, which an exams officer can send again.",
    Who.OPERATOR: "Only whoever runs the portal can do this, at the command line.",
    Who.NOBODY: "No exams officer can do this. The support desk can tell you more.",
}

SOME_ORGANISATION = "a school or college"
"""In the place of an organisation's name, where it could be any."""

STATE_SENTENCES: dict[str, dict[str, str]] = {
    "Person": {
        PersonState.INVITED: "The account has not been activated yet.",
        PersonState.ACTIVE: "The account is active.",
        PersonState.SUSPENDED: "The account is suspended.",
        PersonState.CLOSED: "The account is closed.",
    },
    "Membership": {
        MembershipState.ACTIVE: "Access at {organisation} is active.",
        MembershipState.SUSPENDED: "Access at {organisation} is suspended.",
        MembershipState.ENDED: "Access at {organisation} has ended.",
    },
    "Organisation": {
        OrganisationState.ACTIVE: "{organisation} is active.",
        OrganisationState.SUSPENDED: "{organisation} is suspended.",
        OrganisationState.CLOSED: "{organisation} is closed.",
    },
    "Service": {
        ServiceState.LIVE: "{service} is open.",
        ServiceState.HIDDEN: "{service} is not open yet.",
        ServiceState.RETIRED: "{service} is not open any more.",
    },
}
"""What was read, by type of fact and its state."""


class Seen(StrEnum):
    """What else can be said of what was looked at."""

    PLACES = "places"
    NO_PLACES = "no_places"
    ROLES = "roles"
    NO_ROLES = "no_roles"
    ROLE_COUNTS = "role_counts"
    ROLE_COUNTS_UNTIL = "role_counts_until"
    ROLE_STARTS = "role_starts"
    ROLE_ENDED = "role_ended"
    ROLE_GIVEN = "role_given"
    ROLE_GIVEN_BY = "role_given_by"
    PROPERTY = "property"
    NO_PROPERTY = "no_property"


SEEN_SENTENCES: dict[Seen, str] = {
    Seen.PLACES: "The account belongs to {organisations}.",
    Seen.NO_PLACES: "The account belongs to no school or college.",
    Seen.ROLES: "The roles at {organisation}: {roles}.",
    Seen.NO_ROLES: "No role has been given at {organisation}.",
    Seen.ROLE_COUNTS: "The role {role} at {organisation} counts.",
    Seen.ROLE_COUNTS_UNTIL: "The role {role} at {organisation} counts until the end of {last_day}.",
    Seen.ROLE_STARTS: "The role {role} at {organisation} starts on {first_day}.",
    Seen.ROLE_ENDED: "The role {role} at {organisation} ended on {last_day}.",
    Seen.ROLE_GIVEN: "It was given on {day}.",
    Seen.ROLE_GIVEN_BY: "{giver} gave it on {day}.",
    Seen.PROPERTY: "Its {field} is {value}.",
    Seen.NO_PROPERTY: "No {field} was provided.",
}


class EventName(StrEnum):
    """Everything that is recorded as having happened, in the past tense."""

    ACCOUNT_CREATED = "account_created"
    CLIENT_ADDED = "client_added"
    CLIENT_ENDED = "client_ended"
    CLIENT_KEY_ROTATED = "client_key_rotated"
    DECIDING_FAILED = "deciding_failed"
    DETAILS_CHANGED = "details_changed"
    INVITATION_CANCELLED = "invitation_cancelled"
    INVITATION_SENT = "invitation_sent"
    MAIL_REFUSED = "mail_refused"
    MAIL_SENT = "mail_sent"
    MEMBER_ADDED = "member_added"
    MEMBER_REACTIVATED = "member_reactivated"
    MEMBER_REMOVED = "member_removed"
    MEMBER_SUSPENDED = "member_suspended"
    ORGANISATION_ADDED = "organisation_added"
    ORGANISATION_CHANGED = "organisation_changed"
    ORGANISATION_CLOSED = "organisation_closed"
    ORGANISATION_MERGED = "organisation_merged"
    ORGANISATION_REOPENED = "organisation_reopened"
    ORGANISATION_SUSPENDED = "organisation_suspended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  (an event)
    PASSWORD_RESET_ASKED = "password_reset_asked"  # noqa: S105  (an event)
    PERSON_ACTIVATED = "person_activated"
    PERSON_CLOSED = "person_closed"
    PERSON_REACTIVATED = "person_reactivated"
    PERSON_SUSPENDED = "person_suspended"
    RECORD_REGISTERED = "record_registered"
    RECORD_REMOVED = "record_removed"
    REFUSED = "refused"
    ROLES_CHANGED = "roles_changed"
    ROLE_ADDED = "role_added"
    ROLE_CHANGED = "role_changed"
    ROLE_RESTORED = "role_restored"
    ROLE_RETIRED = "role_retired"
    SERVICE_ADDED = "service_added"
    SERVICE_CHANGED = "service_changed"
    SERVICE_HIDDEN = "service_hidden"
    SERVICE_OPENED = "service_opened"
    SERVICE_RETIRED = "service_retired"
    SERVICE_SHOWN = "service_shown"
    SESSIONS_ENDED = "sessions_ended"
    SESSION_ENDED = "session_ended"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    STAFF_ROLE_GIVEN = "staff_role_given"
    STAFF_ROLE_TAKEN = "staff_role_taken"
