"""`python -m models.dp.audit [--full]`: one line of JSON for each finding, as soon as it is there. Exit code 1 if one
fails. `populace audit` starts it and makes a table of the lines."""

from __future__ import annotations

import json
import sys

from models.dp.audit.suite import run


def main(arguments: list[str]) -> int:
    if set(arguments) - {"--full"}:
        sys.stderr.write("usage: python -m models.dp.audit [--full]\n")
        return 2
    failed = False
    for finding in run("--full" in arguments):
        failed |= not finding.passed
        sys.stdout.write(json.dumps(finding.to_json()) + "\n")
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
