"""Lint: comments by which an author says that something is meant as it is written.

    # intended: unconditional-grant: everybody may read what is published
    has_role(_person: Person, "reader", _report: Report);

Such a comment, directly above a rule or a line of a block, takes back the findings of that kind about it. Only findings
about what may well be meant can be taken back, and a comment that takes nothing back is a finding itself.
"""

import re
from collections.abc import Iterable, Iterator

from app.authz.engine.source import PolicySource
from app.authz.lint.findings import Finding, RuleId

_COMMENT = re.compile(r"\s*#\s*intended:\s*(?P<rule>[a-z-]+)\s*(?::\s*(?P<reason>.*?))?\s*")
_CAN_BE_MEANT = frozenset(
    {
        RuleId.TRUSTS_CALLER,
        RuleId.UNCHECKED_STATE,
        RuleId.UNCONDITIONAL_GRANT,
        RuleId.UNUSED_ROLE,
        RuleId.VACUOUS_FORALL,
    }
)


def without_intended(findings: Iterable[Finding], source: PolicySource) -> Iterator[Finding]:
    """Yield those of `findings` that no comment takes back, and each comment that takes back none.

    Where a file cannot be read, not everything was looked for.
    """
    left = list(findings)
    for text in source.texts:
        file, lines = str(text.filename), text.src.splitlines()
        for number, line in enumerate(lines, 1):
            comment = _COMMENT.fullmatch(line)
            if comment is None:
                continue
            first, last = _statement_below(lines, number)
            meant = [
                finding
                for finding in left
                if finding.file == file
                and finding.rule == comment["rule"]
                and finding.rule in _CAN_BE_MEANT
                and first <= finding.line <= last
            ]
            column = len(line) - len(line.lstrip()) + 1
            if not comment["reason"]:
                message = "Say why it is meant: `# intended: rule: reason`."
                yield Finding(RuleId.UNUSED_INTENTION, file, number, column, message)
            elif not meant and not source.errors:
                message = f"Nothing below is a finding `{comment['rule']}` that can be meant."
                yield Finding(RuleId.UNUSED_INTENTION, file, number, column, message)
            else:
                left = [finding for finding in left if finding not in meant]
    yield from left


def _statement_below(lines: list[str], number: int) -> tuple[int, int]:
    """Return the first and the last line of what follows the comment on line `number`."""
    first = number + 1
    while first <= len(lines) and lines[first - 1].lstrip().startswith("#"):
        first += 1
    last = first
    while last < len(lines) and not lines[last - 1].partition("#")[0].rstrip().endswith((";", "}")):
        last += 1
    return first, last
