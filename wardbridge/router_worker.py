"""The router's process: ``python -m wardbridge.router_worker CONTROL WRITER``.

Both are file descriptors of sockets that the service made (``components.router_process``). Over
CONTROL come the installation and, once, the word to stop; figures go back. Over WRITER goes what is
written. The process ends with the service, whatever signals come: a terminal and a supervisor send
them to both, and it is the service that drains.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any, Final

from bus.port import LogError
from bus.runner import StepRunner, run_in_thread
from bus.sqlite.attached import AttachedLog
from wardbridge.config.models import Installation
from wardbridge.log import log_path
from wardbridge.logs import configure_logs
from wardbridge.routing import make_runner

REPORT_INTERVAL_S: Final = 0.1
SERVICE_GONE: Final = 3


def main() -> None:
    """CONTROL WRITER."""
    control_fd, writer_fd = map(int, sys.argv[1:3])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    configure_logs(sys.stderr)
    control = Connection(control_fd)
    try:
        installation: Installation = control.recv()
        log = AttachedLog(log_path(installation.data), socket.socket(fileno=writer_fd))
        work(control, make_runner(log, installation))
        log.close()
    except (EOFError, OSError, LogError):
        os._exit(SERVICE_GONE)  # at once: whatever is half done is nobody's any more


def work(control: Connection, runner: StepRunner[Any]) -> None:
    """Step and report until told to stop. Raises EOFError or OSError when the service is gone."""
    thread = run_in_thread(runner, "router-step")
    while thread.is_alive() and not control.poll(REPORT_INTERVAL_S):
        control.send(runner.figures())
    if thread.is_alive():
        control.recv()  # the word to stop, or the end of the service
    runner.stop()
    thread.join()
    control.send(runner.figures())


if __name__ == "__main__":
    main()
