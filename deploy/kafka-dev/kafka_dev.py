"""A real Apache Kafka for development and tests: one broker or three, on free ports of loopback.

``python deploy/kafka-dev/kafka_dev.py --brokers 3`` prints where they listen and works until it is
interrupted. Java 17 runs the broker from its jars, which Maven resolves once into ``.jars`` beside
this file, under a name that changes with ``pom.xml``; there is no container in it. Each node is
broker and controller (KRaft). Data lie in a temporary folder and are gone at the end; the brokers
end with whoever started them, also when that is killed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

HERE: Final = Path(__file__).parent
HOST: Final = "127.0.0.1"
INSTALL: Final = "sudo apt-get install -y openjdk-17-jre-headless maven"
MAIN, FORMAT = "kafka.Kafka", "kafka.tools.StorageTool"
JAVA_OPTIONS: Final = ("-Xms128m", "-Xmx768m", "-XX:+UseSerialGC")
SHORT_LIVED: Final = ("-XX:TieredStopAtLevel=1",)
"""A JVM that compiles with less effort: it is up in half the time, and slower after minutes."""
OPEN, CONTROLLER = "OPEN", "CONTROLLER"
READY_WITHIN_S, STOPPED_WITHIN_S = 120, 15
PORTS: Final = (10_000, 30_000)  # below the ephemeral ports, so that no connection takes one
QUIET: Final = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "log.retention.check.interval.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}


class JavaMissingError(Exception):
    """What Java is to run cannot be had; the message says what to install."""


class KafkaMissingError(JavaMissingError):
    """The jars are there, and no broker comes of them."""


def made_once(folder: Path, sources: Sequence[Path], make: Callable[[Path], None]) -> Path:
    """What ``make`` filled, in ``folder``, until one of the sources changes."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    made = folder / digest[:12]
    with alone():
        if not made.is_dir():
            folder.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as unfinished:
                parts = Path(unfinished) / "parts"
                make(parts)
                parts.rename(made)
    return made


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time fetches: Maven's own store does not bear two that begin together."""
    with (Path(__file__).parents[1] / ".fetching").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def copy_dependencies(pom: Path, target: Path) -> None:
    """Let Maven fetch the jars that a project file names. Raises JavaMissingError."""
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    command = [program("mvn"), "--batch-mode", "--quiet", "--file", str(pom), *goal]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise JavaMissingError(f"Maven could not fetch the jars:\n{ended.stdout[-2000:]}")


def program(name: str) -> str:
    """Where a program is. Raises JavaMissingError."""
    found = shutil.which(name)
    if found is None:
        raise JavaMissingError(f"{name!r} is missing: {INSTALL}")
    return found


@dataclass(frozen=True, slots=True)
class Demands:
    """Listeners that demand something of their clients, beside the open one of each broker.

    ``listeners`` gives each one's name and protocol (SSL, SASL_PLAINTEXT or SASL_SSL);
    ``properties`` are the brokers' own; ``users`` are SCRAM credentials as the storage tool takes
    them; ``java_options`` are the JVM's, beside ours.
    """

    listeners: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    users: Sequence[str] = ()
    java_options: Sequence[str] = ()


NOTHING_MORE: Final = Demands()


class Broker:
    """One node, its folder and its process."""

    def __init__(
        self,
        folder: Path,
        ports: Mapping[str, int],
        properties: Mapping[str, str],
        java_options: Sequence[str] = (),
    ) -> None:
        self._ports = ports
        self._java_options = java_options
        self._folder = folder
        self._file = folder / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        listeners = ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())
        lines = {**properties, "listeners": listeners, "log.dirs": str(folder / "data")}
        self._file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))

    def address(self, listener: str = OPEN) -> str:
        """Where clients connect."""
        return f"{HOST}:{self._ports[listener]}"

    def format(self, cluster_id: str, users: Sequence[str]) -> None:
        """Make the node's storage."""
        added = [part for user in users for part in ("--add-scram", user)]
        named = f"--cluster-id={cluster_id}"  # in one word: an id may begin with a dash
        command = [*_java(FORMAT, SHORT_LIVED), "format", named, "-c", str(self._file), *added]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise KafkaMissingError(f"the broker's storage: {ended.stdout}{ended.stderr}")

    def start(self) -> None:
        """Begin; :meth:`KafkaDev.wait_until_ready` tells when it answers."""
        with (self._folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*_tied_to_us(), *_java(MAIN, self._java_options), str(self._file)],
                stdout=output,
                stderr=output,
            )

    def running(self) -> bool:
        """Whether its process lives (also while it is paused)."""
        return self._process is not None and self._process.poll() is None

    def output(self) -> str:
        """The end of what it said."""
        return (self._folder / "output.log").read_text(errors="replace")[-3000:]

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, from the return on."""
        self._signal(signal.SIGSTOP)
        if self._process is not None:  # a thread at work may answer until all of them have stopped
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL; :meth:`start` starts it again on what it had stored."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes too long."""
        if not self.running():
            return
        self.resume()
        self._signal(signal.SIGTERM)
        try:
            self._wait()
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(STOPPED_WITHIN_S)


class KafkaDev:
    """A cluster of one or three brokers; use it as a context manager.

    Raises JavaMissingError when it cannot start.
    """

    def __init__(self, brokers: int = 1, demands: Demands = NOTHING_MORE) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="kafka-dev-"))
        nodes = [_ports(demands) for _ in range(brokers)]
        voters = ",".join(f"{n}@{HOST}:{ports[CONTROLLER]}" for n, ports in enumerate(nodes))
        self.brokers = [
            Broker(
                self._folder / f"broker{n}",
                ports,
                _properties(n, brokers, demands, voters),
                demands.java_options,
            )
            for n, ports in enumerate(nodes)
        ]
        self._users = demands.users

    @property
    def addresses(self) -> list[str]:
        """Where clients without encryption or credentials connect."""
        return [broker.address() for broker in self.brokers]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all brokers, keep nothing."""
        for broker in self.brokers:
            broker.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_until_ready(self) -> None:
        """Until every broker is part of the cluster and answers."""
        wait = Retrying(
            retry=retry_if_result(lambda ready: not ready),
            wait=wait_fixed(0.1),
            stop=stop_after_delay(READY_WITHIN_S),
        )
        try:
            wait(self._answers)
        except RetryError:
            said = "\n".join(broker.output() for broker in self.brokers)
            raise KafkaMissingError(f"no broker after {READY_WITHIN_S} s:\n{said}") from None

    def _start(self) -> None:
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for broker in self.brokers:
            broker.format(cluster_id, self._users)
        for broker in self.brokers:
            broker.start()
        self.wait_until_ready()

    def _answers(self) -> bool:
        for broker in self.brokers:
            if not broker.running():
                raise KafkaMissingError(f"a broker ended by itself:\n{broker.output()}")
        return all(_members(broker.address()) == len(self.brokers) for broker in self.brokers)


def _ports(demands: Demands) -> dict[str, int]:
    """A port of loopback on which nothing listens, for each listener."""
    names = [OPEN, CONTROLLER, *demands.listeners]
    found: set[int] = set()
    while len(found) < len(names):
        port = random.randint(*PORTS)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)):
                found.add(port)
    return dict(zip(names, found, strict=True))


def _members(address: str) -> int:
    host, port = address.split(":")
    with socket.socket() as probe:  # the client would leave the sockets of failed attempts open
        if probe.connect_ex((host, int(port))):
            return 0
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=address, bootstrap_timeout_ms=1000, request_timeout_ms=2000
        )
    except KafkaError:
        return 0
    try:
        return len(admin.describe_cluster()["brokers"])
    except KafkaError:
        return 0
    finally:
        admin.close()


def _properties(number: int, brokers: int, demands: Demands, voters: str) -> dict[str, str]:
    safe = str(min(2, brokers))
    protocols = {OPEN: "PLAINTEXT", CONTROLLER: "PLAINTEXT", **demands.listeners}
    return {
        **QUIET,
        "process.roles": "broker,controller",
        "node.id": str(number),
        "controller.quorum.voters": voters,
        "controller.listener.names": CONTROLLER,
        "inter.broker.listener.name": OPEN,
        "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
        "offsets.topic.replication.factor": str(brokers),
        "transaction.state.log.replication.factor": str(brokers),
        "transaction.state.log.min.isr": safe,
        "share.coordinator.state.topic.replication.factor": str(brokers),
        "share.coordinator.state.topic.min.isr": safe,
        "min.insync.replicas": safe,
        **demands.properties,
    }


def _java(main: str, options: Sequence[str] = ()) -> list[str]:
    pom = HERE / "pom.xml"
    jars = made_once(pom.parent / ".jars", [pom], lambda jars: copy_dependencies(pom, jars))
    return [program("java"), *JAVA_OPTIONS, *options, "-cp", f"{jars}/*", main]


def _tied_to_us() -> list[str]:
    """What makes the kernel end a broker whose starter is gone (Linux)."""
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL", "--"] if found else []


def main() -> int:
    """Start, say where, work until interrupted."""
    parser = argparse.ArgumentParser(description="A real Apache Kafka on free ports of loopback.")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    wanted = parser.parse_args().brokers
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with KafkaDev(wanted) as cluster:
            sys.stdout.write(f"KAFKA_BROKERS={','.join(cluster.addresses)}\n")
            sys.stdout.flush()
            signal.pause()
    except JavaMissingError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_UNAVAILABLE
    except KeyboardInterrupt:
        return os.EX_OK
    return os.EX_OK


if __name__ == "__main__":
    raise SystemExit(main())
