"""What can go wrong with a request to the API, in terms of the domain. Knows no HTTP: `problems` has the statuses."""


class RequestError(Exception):
    """A request that gets no decision, which callers take as a deny. `message` is a sentence for their authors."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequestError(RequestError):
    """The request is not well-formed, or says something that cannot be."""


class UnauthenticatedError(RequestError):
    """There is no key, or it does not work."""


class NotPermittedError(RequestError):
    """The policy does not let the client ask about this."""


class NotFoundError(RequestError):
    """There is nothing under this name."""


class TooLargeError(RequestError):
    """The body is larger than any body may be, and was not read."""


class RecordTooLargeError(RequestError):
    """A resource has more properties than may be registered of one."""


class QuotaExceededError(RequestError):
    """As many resources of a type are registered as may be."""


class CompressedBodyError(RequestError):
    """The body is compressed."""


class UnknownResourceError(RequestError):
    """The resource is nobody's: its type, its service or the service of its role is not known."""


class UndecidedError(RequestError):
    """The policy could not say whether the client may ask this."""


class TimedOutError(RequestError):
    """The evaluations of one request took too long."""


class MethodNotAllowedError(RequestError):
    """The address does not support this method; `allowed` are those that it does."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = ", ".join(allowed)
        super().__init__(f"Use {self.allowed} here.")
