"""Read `go test -json` from standard input and print what a person wants to see.

One line per package as it ends, the whole output of tests that failed, every
skipped test by name, and the sums. Exits 1 on a failure, on no test at all,
and with --no-skips on a skipped one.
"""

import collections
import json
import sys


def main():
    output = collections.defaultdict(list)
    counts = collections.Counter()
    skipped = []
    broken = False
    for line in sys.stdin:
        try:
            event = json.loads(line)
        except ValueError:
            print(line, end="")
            continue
        key = (event.get("Package") or event.get("ImportPath"), event.get("Test"))
        action = event["Action"]
        if action in ("output", "build-output"):
            output[key].append(event["Output"])
            continue
        if action not in ("pass", "fail", "skip", "build-fail"):
            continue
        lines = output.pop(key, [])
        if key[1]:
            counts[action] += 1
            if action == "skip":
                skipped.append(f"{key[0]} {key[1]}: {''.join(lines[1:-1]).strip()}")
        broken |= action in ("fail", "build-fail")
        show = lines if action in ("fail", "build-fail") else [l for l in lines[-1:] if not key[1] and action == "pass"]
        print("".join(show), end="", flush=True)
    for name in skipped:
        print(f"SKIPPED {name}")
    print(f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped")
    if counts["pass"] == 0:
        sys.exit("no Go test ran")
    sys.exit(1 if broken or (skipped and "--no-skips" in sys.argv) else 0)


main()
