"""What a feed counts: an input that is refused is seen, and not accepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.common.figures import MANY_IN_A_ROW, FeedFigures
from adapters.common.outcome import InputOutcome, Trouble, accepted, ignored, to_review

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


@pytest.mark.parametrize("outcome", [to_review(Trouble("shrunk", "")), ignored("file-known", "")])
def test_what_is_not_accepted_leaves_the_last_acceptance_as_it_was(outcome: InputOutcome) -> None:
    figures = FeedFigures(last_seen=AT)
    figures.became(accepted([]))
    figures.last_seen = LATER
    figures.became(outcome)
    assert (figures.last_seen, figures.last_accepted_at) == (LATER, AT)
    assert figures.outcomes[outcome.verdict.value, outcome.reason] == 1


def test_a_feed_whose_every_input_is_refused_has_never_accepted_one() -> None:
    figures = FeedFigures(last_seen=AT)
    figures.became(to_review(Trouble("shrunk", "")))
    assert figures.last_accepted_at is None


def test_so_many_refused_one_after_the_other_are_trouble_until_one_is_accepted() -> None:
    figures, refused = FeedFigures(last_seen=AT), to_review(Trouble("visit-missing", ""))
    for _ in range(MANY_IN_A_ROW - 1):
        figures.became(refused)
        figures.became(ignored("links", ""))
    assert figures.trouble() is None
    figures.became(refused)
    assert figures.trouble() == f"the last {MANY_IN_A_ROW} inputs wait in review: visit-missing"
    assert figures.counts()["in_review_in_a_row"] == MANY_IN_A_ROW
    figures.became(accepted([], [Trouble("ward-unknown", "")]))
    assert (figures.trouble(), figures.counts()["in_review_in_a_row"]) == (None, 0)
