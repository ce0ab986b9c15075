"""Receives notices: verify, pass over what was taken, keep it, then say yes; ask again for what is missing.

pip install standardwebhooks
WEBHOOK_SECRET=whsec_… python receiver.py 8000 taken.jsonl

With WARDBRIDGE (https://wardbridge.example), SUBSCRIBER (your name there) and WARDBRIDGE_TOKEN (the
token of your own) it has sent again what it lacks: at its start what came since its last line, as after
a restore, and later each number that stays missing.

What this receiver does with a notice stands in for what yours does: it appends a line to a file. The line
and the note that the notice is done are one write. Do the same with your database: the id, the number
and the effect of a notice in one transaction, before the answer.
"""

import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LOOK_S = float(os.environ.get("LOOK_S", "30"))  # a number may wait for its ward that long
ASKED_AT_MOST = 3


class Taken:
    """The notices that are done; a line that a crash cut short is not done."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.Lock()
        self._file = path.open("ab+")
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._file.truncate(len(whole))
        lines = [json.loads(line) for line in whole.splitlines()]
        self._ids = {line["id"] for line in lines}  # forget those older than 90 days
        self.numbers = {line["number"] for line in lines}
        self.asked: dict[int, int] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Do what a notice asks for, once."""
        with self.lock:
            if event["id"] in self._ids:
                print("repeated", event["subscriptionsequence"], file=sys.stderr, flush=True)
                return
            data, number = event["data"], event["subscriptionsequence"]
            done = {"number": number, "id": event["id"], "ward": data["ward"], "kind": data["kind"]}
            self._file.write(json.dumps(done).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._ids.add(event["id"])
            self.numbers.add(number)

    def first_missing(self) -> int | None:
        """The lowest number that has not come, though a higher one has; None where there is none."""
        with self.lock:
            for number in range(1, max(self.numbers, default=0)):
                if number not in self.numbers:
                    self.asked[number] = self.asked.get(number, 0) + 1
                    if self.asked[number] <= ASKED_AT_MOST:
                        return number
                    # It is kept no longer, or of a ward that you may not read any more.
                    print("gone", number, "read the wards' lists", file=sys.stderr, flush=True)
                    self.numbers.add(number)
            return None


def ask_again(first: int) -> None:
    """Have the bridge send what it has sent already, from a number on. Numbers and ids stay."""
    if "WARDBRIDGE" not in os.environ:
        return
    url = f"{os.environ['WARDBRIDGE']}/v1/subscribers/{os.environ['SUBSCRIBER']}/replay"
    headers = {
        "Authorization": f"Bearer {os.environ['WARDBRIDGE_TOKEN']}",
        "Content-Type": "application/json",
    }
    body = json.dumps({"from": first}).encode()
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the address is yours
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - likewise
            print("asked from", first, json.load(answer)["queued"], file=sys.stderr, flush=True)
    except OSError as error:  # it is asked again at the next look
        print("not asked", error, file=sys.stderr, flush=True)


def look_for_gaps(taken: Taken) -> None:
    """At the start from the last number on, then whatever stays missing from one look to the next."""
    before = None
    ask_again(max(taken.numbers, default=0) + 1)
    while True:
        missing = taken.first_missing()
        if missing is not None and missing == before:
            ask_again(missing)
        before = missing
        time.sleep(LOOK_S)


class Receiver(BaseHTTPRequestHandler):
    """Takes notices that are genuine."""

    protocol_version = "HTTP/1.1"
    webhook: Webhook
    taken: Taken

    def do_POST(self) -> None:
        """One notice."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = self.webhook.verify(body, dict(self.headers.items()))
        except WebhookVerificationError:
            self.answer(401)
            return
        if "data" in event:  # a test event has none
            self.taken.take(event)
        self.answer(204)

    def answer(self, status: int) -> None:
        """Say so."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each call."""


def main() -> None:
    """Until it is stopped."""
    Receiver.webhook = Webhook(os.environ["WEBHOOK_SECRET"])
    Receiver.taken = Taken(Path(sys.argv[2]))
    threading.Thread(target=look_for_gaps, args=(Receiver.taken,), daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()


main()
