"""Receives notices: verify, skip what was seen, keep it, then say yes.

pip install standardwebhooks
WEBHOOK_SECRET=whsec_… python receiver.py 8000
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
seen = set()  # yours is a unique key of a table


class Receiver(BaseHTTPRequestHandler):
    """Takes notices that are genuine."""

    def do_POST(self) -> None:
        """One notice."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = webhook.verify(body, dict(self.headers.items()))
        except WebhookVerificationError:
            self.answer(401)
            return
        if event["id"] not in seen:
            data = event["data"]
            print(event["subscriptionsequence"], data["ward"], data["kind"], flush=True)
            seen.add(event["id"])
        self.answer(204)

    def answer(self, status: int) -> None:
        """Say so."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each call."""


HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
