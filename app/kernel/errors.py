"""Errors that every room may raise and every surface turns into a clear answer."""


class ProblemError(Exception):
    """A change that cannot be made. The message is one sentence for the person who tried.

    `field` names the form field that it is about, if there is one.
    """

    def __init__(self, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
