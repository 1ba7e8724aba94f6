"""`python -m tests.fuzz [--seconds N] [--count N] [--first SEED] [--log FILE]`: run the fuzzer.

`python -m tests.fuzz --file SEED FILE` writes the file of a seed.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from .files import mutated
from .run import LIMITS, fuzz, peak


def main() -> int:
    """Run the fuzzer; the exit status is 1 if a file failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Decode mutated files.")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--count", type=int, default=10**9)
    parser.add_argument("--first", type=int, default=0, help="seed of the first file")
    parser.add_argument("--log", type=Path, help="JSON file with the counts, written every minute")
    parser.add_argument("--file", nargs=2, metavar=("SEED", "FILE"), help="write the file of a seed, and stop")
    given = parser.parse_args()
    if given.file:
        Path(given.file[1]).write_bytes(mutated(Random(int(given.file[0]))))
        return 0
    # A decoder that asked for tens of gigabytes fails here, not the machine.
    resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2)
    begun = time.time()

    def report(counts: Counter[str], failures: dict[int, str]) -> None:
        record = {
            "files": sum(counts.values()),
            "first": given.first,
            "seconds": round(time.time() - begun),
            "outcomes": dict(sorted(counts.items())),
            "failures": failures,
            "peak_mib": peak() >> 20,
            "limits": {"pixels": LIMITS.pixels, "working_bytes": LIMITS.working_bytes},
        }
        if given.log:
            given.log.write_text(json.dumps(record, indent=1) + "\n")
        print(
            f"{record['files']} files, {record['seconds']} s, {record['outcomes']}", file=sys.stderr, flush=True
        )

    counts, failures = fuzz(given.first, given.count, given.seconds, report)
    report(counts, failures)
    for seed, reason in failures.items():
        print(f"seed {seed}: {reason}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
