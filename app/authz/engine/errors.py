"""What can be wrong with a policy, and go wrong while it decides: in sentences that say nothing about the facts."""

import re

from polar.exceptions import PolarTypeError, StackOverflowError, UnsupportedError

from app.authz.polar.syntax import Location

_PLACE = re.compile(r"at line (\d+), column (\d+) of file (.+?\.polar)")
_RUNTIME_SENTENCES: dict[type[Exception], str] = {
    PolarTypeError: "A rule uses a value of the wrong type.",
    StackOverflowError: "A rule calls itself without end.",
    UnsupportedError: "A rule compares or calculates with values that do not go together.",
}


class PolicyError(Exception):
    """Something went wrong while a policy was loaded or evaluated.

    `sentence` carries nothing of the facts that were asked about, so it may be logged and shown. `location` is where in
    the policy it went wrong, if that is known.
    """

    def __init__(self, sentence: str, location: Location | None = None) -> None:
        super().__init__(sentence if location is None else f"{location.file}:{location.line}: {sentence}")
        self.sentence = sentence
        self.location = location


class PolicyWarningError(PolicyError):
    """A warning of oso; a policy with warnings is refused like one with errors."""


def location_in(message: str) -> Location | None:
    """Return the last location that a message of the core names."""
    places = _PLACE.findall(message)
    if not places:
        return None
    line, column, file = places[-1]
    return Location(file, int(line), int(column))


def load_problem(message: str) -> PolicyError:
    """Turn a message of oso about a policy into an error of ours: its first sentence, without excerpts and links."""
    kind = PolicyWarningError if message.startswith("[warning] ") else PolicyError
    paragraph = re.split(r" at line \d+, column |\n\n", message.removeprefix("[warning] "))[0]
    sentence = " ".join(re.sub(r"https?://\S+", "", paragraph).split()).removeprefix("Warning: ")
    return kind(sentence[:1].upper() + sentence[1:].rstrip(".;") + ".", location_in(message))


def is_timeout(error: Exception) -> bool:
    """Return whether oso gave up because a decision took too long."""
    return str(getattr(error, "message", "")).startswith("Query timeout")


def runtime_problem(error: Exception) -> PolicyError:
    """Turn anything that was raised during a decision into an error whose sentence says nothing about the facts."""
    message = str(getattr(error, "message", ""))
    if is_timeout(error):
        sentence = "The rules take too long; one of them may call itself without end."
    elif "unhandled partial" in message.partition("\n")[0]:
        sentence = "A rule uses a variable that never gets a value."
    else:
        sentence = _RUNTIME_SENTENCES.get(type(error), "The rules could not be evaluated.")
    return PolicyError(sentence, location_in(message))
