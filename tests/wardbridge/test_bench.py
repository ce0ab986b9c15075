"""What is measured is the lab on the engine that is named, each time on an empty log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wardbridge.bench.cpu import cpu_s, descendants
from wardbridge.bench.engine import Engine
from wardbridge.cli.bench import engines
from wardbridge.config.load import load


@pytest.mark.parametrize(
    ("brokers", "copies", "in_sync"),
    [("a:1", 1, 1), ("a:1,b:2", 2, 1), ("a:1, b:2, c:3", 3, 2), ("a:1,b:2,c:3,d:4", 3, 2)],
)
def test_a_cluster_is_measured_beside_the_file_with_as_many_copies_as_it_bears(
    tmp_path: Path, brokers: str, copies: int, in_sync: int
) -> None:
    file, cluster = engines(brokers)
    assert load(file.configuration(tmp_path), tmp_path).settings.log.engine == "sqlite"
    log = load(cluster.configuration(tmp_path), tmp_path).settings.log
    assert log.kafka is not None
    assert (log.engine, log.kafka.replication, log.kafka.min_insync) == ("kafka", copies, in_sync)
    assert log.kafka.brokers == tuple(brokers.replace(" ", "").split(","))


def test_each_run_has_topics_of_its_own(tmp_path: Path) -> None:
    engine = Engine(("a:1",))
    prefixes = set()
    for _ in range(2):
        section = load(engine.configuration(tmp_path), tmp_path).settings.log.kafka
        assert section is not None
        prefixes.add(section.prefix)
    assert len(prefixes) == 2


def test_without_a_cluster_the_file_alone_is_measured() -> None:
    assert engines("") == [Engine()]


def test_the_cpu_time_of_a_service_has_that_of_all_its_processes_in_it() -> None:
    starts_another = (
        "import subprocess, sys;"
        "subprocess.run([sys.executable, '-c', 'import os; print(os.getpid(), flush=True); input()'])"
    )
    command = (sys.executable, "-c", starts_another)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        assert set(descendants(os.getpid())) >= {process.pid, grandchild}
        assert cpu_s(process.pid) >= cpu_s(grandchild)
        process.communicate("\n")
