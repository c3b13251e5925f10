"""Checks the policy in a folder, and a pack if one is given, and prints the findings as JSON: see `verify`."""

import json
import resource
import sys
from dataclasses import asdict
from pathlib import Path

from app.authz.lint.policy_check import check_policy

limit, *folders = sys.argv[1:]
# Rules that do not end are stopped by the system.
resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
json.dump([asdict(finding) for finding in check_policy(*map(Path, folders))], sys.stdout)
