"""What is said to an endpoint besides notices: a handshake before the first, heartbeats in silence.

A handshake is repeated like a notice, but for minutes only: then whoever asked for it has to ask again.
A heartbeat is said once, whatever becomes of it; the next one comes after another silence. Both are no
events and have no number.
"""

from __future__ import annotations

from typing import Literal

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from router.delivery.attempts import Clock, Figures, Terms
from router.delivery.channel import Answer, Conversing


class Courtesies:
    """Of one subscriber. ``clock`` tells Unix seconds."""

    def __init__(self, channel: Conversing, terms: Terms, clock: Clock, figures: Figures) -> None:
        self._channel = channel
        self._terms = terms
        self._clock = clock
        self._figures = figures
        self._said_at_s = clock()

    async def introduce(self, reached: int) -> Answer:
        """Greet until it answers yes, is gone, or has had ``refused_after_s`` for it."""
        began_s = self._clock()

        def is_over(_: RetryCallState) -> bool:
            return self._clock() - began_s >= self._terms.refused_after_s

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda answer: answer.refusal is not None and not answer.gone),
            wait=wait_random_exponential(self._terms.first_pause_s, self._terms.longest_pause_s),
            stop=is_over,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        answer: Answer = await retrying(self._greet, reached)
        return answer

    def is_due(self) -> bool:
        """Whether it has been silent for as long as the endpoint wants to stand it."""
        every_s = self._channel.heartbeat_s
        return every_s is not None and self._clock() - self._said_at_s >= every_s

    async def beat(self, reached: int, state: Literal["active", "error"]) -> Answer:
        """Say that we are there, and nothing else."""
        self.said()
        answer = await self._channel.heartbeat(reached, state)
        self._count(answer)
        return answer

    def said(self) -> None:
        """Something was said just now."""
        self._said_at_s = self._clock()

    async def _greet(self, reached: int) -> Answer:
        self.said()
        answer = await self._channel.handshake(reached)
        self._count(answer)
        return answer

    def _count(self, answer: Answer) -> None:
        self._figures.trouble = answer.refusal
        if answer.refusal is not None:
            self._figures.refused_attempts += 1
