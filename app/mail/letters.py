"""The text of every mail. A letter is a subject and a plain text."""

from app.runtime import settings

Letter = tuple[str, str]


def _letter(subject: str, *paragraphs: str) -> Letter:
    chosen = settings()
    signature = (
        f"{chosen.portal_name}\nQuestions? Write to {chosen.support_email} or telephone {chosen.support_telephone}."
    )
    return subject, "\n\n".join((*paragraphs, signature)) + "\n"


def _link(path: str) -> str:
    return f"{settings().public_url}{path}"


def invitation(name: str, organisation: str, inviter: str, token: str) -> Letter:
    """For somebody new, whom an exams officer or support added."""
    return _letter(
        f"Activate your {settings().portal_name} account",
        f"Dear {name},",
        f"{inviter} has added you to {organisation}.",
        "To choose a password and start, open this link within 14 days:",
        _link(f"/activate/{token}"),
        f"If you do not work with {organisation}, you need not do anything.",
    )


def staff_invitation(name: str, token: str) -> Letter:
    """For somebody new who will work for the operator."""
    return _letter(
        f"Activate your {settings().portal_name} account",
        f"Dear {name},",
        f"You have been added to the staff of {settings().portal_name}.",
        "To choose a password and start, open this link within 14 days:",
        _link(f"/activate/{token}"),
        "If you did not expect this, please tell us.",
    )


def added(name: str, organisation: str, inviter: str, *, is_open: bool) -> Letter:
    """For somebody with an account, open or not, who was added to one more organisation."""
    usual = ("Sign in as usual; you find it beside your other organisations:", _link("/"))
    # They cannot sign in, so a link would only mislead them.
    closed = ("Your account is not open at the moment. Our support desk can tell you why.",)
    first, *more = usual if is_open else closed
    return _letter(
        f"You have been added to {organisation}",
        f"Dear {name},",
        f"{inviter} has added you to {organisation}. {first}",
        *more,
        "If you do not know why, please tell us.",
    )


def account_created(name: str, token: str) -> Letter:
    """For somebody who created an account themselves."""
    return _letter(
        f"Activate your {settings().portal_name} account",
        f"Dear {name},",
        "You asked for an account. To choose a password and finish, open this link within 14 days:",
        _link(f"/activate/{token}"),
        "If this was not you, you need not do anything.",
    )


def account_exists(name: str, *, is_open: bool) -> Letter:
    """For somebody with an account, open or not, who tried to create another one."""
    asked = "Somebody, probably you, asked for an account with this e-mail address."
    usual = (
        f"{asked} You have one already. Sign in here:",
        _link("/sign-in"),
        "If you do not know your password, you can choose a new one there.",
    )
    closed = (f"{asked} You have one already, but it is not open at the moment. Our support desk can tell you why.",)
    return _letter(
        f"You have a {settings().portal_name} account already",
        f"Dear {name},",
        *(usual if is_open else closed),
    )


def password_reset(name: str, token: str) -> Letter:
    """For somebody who forgot their password."""
    return _letter(
        f"Choose a new {settings().portal_name} password",
        f"Dear {name},",
        "To choose a new password, open this link within one hour:",
        _link(f"/reset-password/{token}"),
        "If you did not ask for this, you need not do anything: your password stays as it is.",
    )


def password_changed(name: str) -> Letter:
    """For somebody whose password was changed."""
    return _letter(
        f"Your {settings().portal_name} password was changed",
        f"Dear {name},",
        "Your password has just been changed, and other browsers have been signed out.",
        "If this was not you, telephone us at once.",
    )
