"""E-mail addresses in normal form, as they are stored and compared."""

from email_validator import EmailNotValidError, validate_email

from app.kernel.errors import ProblemError


def normal_address(text: str) -> str:
    """Return `text` as an address in lower case. Raises `ProblemError` when it is not an address.

    Mailboxes that differ only in case exist in theory; people with two accounts exist in practice.
    """
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise ProblemError(
            "Enter an e-mail address in the right form, such as name@example.org.", field="address"
        ) from error
