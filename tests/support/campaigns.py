"""What is too long for every run of the tests: a campaign of the Makefile runs it."""

import os

import pytest

only_in_campaigns = pytest.mark.skipif(
    "WARDBRIDGE_CAMPAIGN" not in os.environ,
    reason="takes minutes: a target of the Makefile, make campaign-…, runs it",
)
