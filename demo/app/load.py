"""Some load: visits the front a few times a second and says every ten seconds how that went."""

import json
import os
import threading
import time
import urllib.request
from collections import Counter

from server import log, on_stop

TARGET = os.environ.get("TARGET", "http://web:8080/shelf")
PER_SECOND = float(os.environ.get("PER_SECOND", "5"))
REPORT_SECONDS = 10.0


def visit() -> tuple[str, str]:
    """The replicas of both back ends that served one visit."""
    with urllib.request.urlopen(TARGET, timeout=5) as answer:
        seen = json.load(answer)
    return seen["books"], seen["prices"]


def main() -> None:
    end = threading.Event()
    on_stop(end)
    good, bad, replicas = 0, 0, Counter[str]()
    report_at = time.monotonic() + REPORT_SECONDS
    while not end.wait(1 / PER_SECOND):
        try:
            replicas.update(visit())
            good += 1
        except (OSError, ValueError, KeyError) as error:
            bad += 1
            log("visit failed", error=repr(error))
        if time.monotonic() >= report_at:
            log("visits", good=good, bad=bad, replicas=len(replicas))
            good, bad, replicas = 0, 0, Counter[str]()
            report_at = time.monotonic() + REPORT_SECONDS


if __name__ == "__main__":
    main()
