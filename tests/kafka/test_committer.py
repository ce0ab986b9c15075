"""A transaction is committed only when each of its records is in the log."""

from collections.abc import Iterator

import pytest
from kafka.errors import KafkaTimeoutError
from kafka.producer.transaction_manager import ProducerIdAndEpoch
from kafka.structs import ConsumerGroupMetadata
from kafka.structs import TopicPartition as Place

from bus.kafka.appender import Wire
from bus.kafka.committer import Committer
from bus.kafka.watchdog import Watchdog
from bus.port import LogError

RECORDS = [Wire("designations", value, None, [], 0) for value in (b"a", b"b")]
POSITIONS = {Place("observations", 0): 7}
GROUP = ConsumerGroupMetadata(group_id="g")


class Answer:
    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def get(self, timeout: float) -> None:
        assert timeout == 0
        if self.error:
            raise self.error


class State:
    last_error = None
    producer_id_and_epoch = ProducerIdAndEpoch(4, 1)

    def __init__(self) -> None:
        self._transaction_started = False


class Producer:
    """Writes down what is asked of it; ``fails`` is the record whose answer is an error."""

    def __init__(self, calls: list[str], fails: int | None = None) -> None:
        self.calls, self._fails, self._sent = calls, fails, 0
        self._transaction_manager = State()

    def fail_at_the_next(self, how: str) -> None:
        self._fails = self._sent + 1
        self._transaction_manager._transaction_started = how == "after"
        if how == "in another epoch":
            self._transaction_manager.producer_id_and_epoch = ProducerIdAndEpoch(4, 2)

    def init_transactions(self) -> None:
        self.calls.append("init")

    def begin_transaction(self) -> None:
        self.calls.append("begin")

    def send(self, *_: object, partition: int) -> Answer:
        assert partition == 0
        self.calls.append("send")
        self._sent += 1
        return Answer(KafkaTimeoutError() if self._sent == self._fails else None)

    def send_offsets_to_transaction(self, offsets: object, metadata: object) -> None:
        assert (list(POSITIONS), GROUP) == (list(offsets), metadata)  # type: ignore[call-overload]
        self.calls.append("positions")

    def flush(self, timeout: float | None = None) -> None:
        self.calls.append("flush" if timeout is None else "close")

    def commit_transaction(self) -> None:
        self.calls.append("commit")

    def close(self, timeout: float) -> None:
        assert timeout >= 0


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    made = Watchdog(3600)
    yield made
    made.close()


BEGUN = ["begin", "send", "send", "positions", "flush"]


@pytest.mark.parametrize(
    ("fails", "calls"),
    [
        (None, ["init", *BEGUN, "commit", "close"]),
        (1, ["init", *BEGUN, "close", "init", "close"]),
        (2, ["init", *BEGUN, "close", "init", "close"]),
    ],
)
def test_no_commit_without_each_record(
    watchdog: Watchdog, fails: int | None, calls: list[str]
) -> None:
    called: list[str] = []
    committer = Committer("g", lambda: Producer(called, fails), watchdog, lambda *_: None)
    if fails is None:
        committer.commit(POSITIONS, RECORDS, GROUP)
    else:
        with pytest.raises(LogError, match="a commit of g: KafkaTimeoutError"):
            committer.commit(POSITIONS, RECORDS, GROUP)
    committer.close()
    assert called == calls


@pytest.mark.parametrize(
    ("returned", "fails", "committed"),
    [
        (False, None, False),
        (True, None, True),
        (True, "before the brokers began it", True),
        (True, "after", False),
        (True, "in another epoch", False),
        (False, "after", False),
    ],
)
def test_what_is_told_of_the_transaction_before(
    watchdog: Watchdog, *, returned: bool, fails: str | None, committed: bool
) -> None:
    """The end that the brokers may have forgotten is that of the last transaction they began."""
    made: list[Producer] = []
    told: list[tuple[int, int, int | None]] = []

    def make() -> Producer:
        made.append(Producer([]))
        return made[-1]

    committer = Committer("g", make, watchdog, lambda *older: told.append(older))
    committer.settle()
    if returned:
        committer.commit(POSITIONS, RECORDS, GROUP)
    if fails:
        made[-1].fail_at_the_next(fails)
        with pytest.raises(LogError):
            committer.commit(POSITIONS, RECORDS, GROUP)
    else:
        committer.doubt()
        committer.settle()
    committer.close()
    assert told == [(4, 1, None), (4, 1, 1 if committed else None)]
