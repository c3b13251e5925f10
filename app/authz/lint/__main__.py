"""Checks the policy in a folder, and a pack if one is given, and prints the findings as JSON: see `verify`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from app.authz.lint.policy_check import check_policy

json.dump([asdict(finding) for finding in check_policy(*map(Path, sys.argv[1:]))], sys.stdout)
