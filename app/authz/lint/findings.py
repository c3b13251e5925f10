"""What the check of a policy can find: the ids of its rules, and one finding."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.authz.engine.errors import PolicyError


class RuleId(StrEnum):
    """The rules that a policy is checked against; `docs/policy-rules.md` explains each, with examples."""

    # Files
    DUPLICATE_FILE = "duplicate-file"
    POLAR_ERROR = "polar-error"
    POLAR_SYNTAX = "polar-syntax"
    POLAR_WARNING = "polar-warning"
    RULE_TOO_COMPLEX = "rule-too-complex"
    TOML_SYNTAX = "toml-syntax"
    UNREAD_FILE = "unread-file"
    UNREADABLE_FILE = "unreadable-file"

    # Within one rule
    CONSTANT_CONDITION = "constant-condition"
    CUT = "cut"
    DEBUGGING_CALL = "debugging-call"
    FORBIDDEN_EXPRESSION = "forbidden-expression"
    INLINE_QUERY = "inline-query"
    INVALID_OPERANDS = "invalid-operands"
    LATE_BINDING = "late-binding"
    NEVER_EQUAL = "never-equal"
    REASSIGNED_VARIABLE = "reassigned-variable"
    TYPE_AS_VALUE = "type-as-value"
    UNBOUND_VARIABLE = "unbound-variable"
    UNCHECKED_STATE = "unchecked-state"
    UNKNOWN_FIELD = "unknown-field"
    UNKNOWN_TYPE = "unknown-type"
    UNKNOWN_VALUE = "unknown-value"
    VACUOUS_FORALL = "vacuous-forall"

    # Between rules
    DUPLICATE_RULE = "duplicate-rule"
    INFINITE_RECURSION = "infinite-recursion"
    UNCONDITIONAL_GRANT = "unconditional-grant"
    UNDECLARED_NAME = "undeclared-name"
    UNDEFINED_RULE = "undefined-rule"
    UNGRANTED_NAME = "ungranted-name"
    UNUSED_INTENTION = "unused-intention"
    UNUSED_ROLE = "unused-role"
    UNUSED_RULE = "unused-rule"
    WRONG_ARITY = "wrong-arity"

    # Blocks
    DUPLICATE_BLOCK = "duplicate-block"
    INVALID_BLOCK_NAME = "invalid-block-name"
    MISPLACED_BLOCK = "misplaced-block"
    MISSING_DECLARATION = "missing-declaration"
    ONE_BLOCK_PER_FILE = "one-block-per-file"
    UNUSED_DECLARATION = "unused-declaration"

    # Packs
    ALLOW_OUTSIDE_MAIN = "allow-outside-main"
    FOREIGN_GRANT = "foreign-grant"
    FOREIGN_RULE = "foreign-rule"

    # Untrusted input
    BOTH_MISSING = "both-missing"
    NEGATED_INPUT = "negated-input"
    TRUSTS_CALLER = "trusts-caller"
    UNGUARDED_INPUT = "unguarded-input"

    # Decision tables and fixtures
    EVALUATION_ERROR = "evaluation-error"
    INCOMPLETE_TABLE = "incomplete-table"
    INVALID_FIXTURE = "invalid-fixture"
    INVALID_TABLE = "invalid-table"
    MISSING_TABLE = "missing-table"
    TABLE_DIFFERS = "table-differs"
    UNKNOWN_CAST_NAME = "unknown-cast-name"
    UNUSED_TABLE = "unused-table"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a policy: which rule it breaks and where, and a sentence for its author.

    `file` is a name without its folder. `line` and `column` count from 1; both are 0 for a file as a whole.
    """

    rule: RuleId
    file: str
    line: int
    column: int
    message: str

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Sorts findings by their place."""
        return self.file, self.line, self.column, self.rule, self.message

    def as_text(self, policies: Path, pack: Path | None = None) -> str:
        """Return `path:line:column: rule: message` for a finding in the folder `policies` or in `pack`."""
        in_pack = [] if pack is None else [pack / "policies" / self.file, pack / "fixtures" / self.file]
        path = next((path for path in in_pack if path.exists()), policies / self.file)
        # A table that is missing belongs beside its rules.
        beside = policies / self.file.replace("_test.toml", ".polar")
        if self.rule is RuleId.MISSING_TABLE and in_pack and not beside.exists():
            path = in_pack[0]
        return f"{path}:{self.line}:{self.column}: {self.rule}: {self.message}"


class PolicyRejectedError(PolicyError):
    """A policy that was checked has `findings`; the message is the first of them."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        first = findings[0]
        super().__init__(f"{first.file}:{first.line}:{first.column}: {first.rule}: {first.message}")
        self.findings = findings
