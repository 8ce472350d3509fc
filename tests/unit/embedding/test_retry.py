import pytest

from pergamum.embedding.retry import Failed, RetryPolicy

PASSING = Failed("busy", passing=True)


class Provider:
    """Answers what it was told to, one after another; notes how long it was left alone between calls."""

    def __init__(self, *answers: str | Failed) -> None:
        self.answers = list(answers)
        self.waits: list[float] = []

    def call(self) -> str | Failed:
        return self.answers.pop(0)

    def policy(self, attempts: int = 5) -> RetryPolicy:
        return RetryPolicy(attempts, longest_wait_s=30.0, sleep=self.waits.append)


def test_an_answer_is_returned_at_once() -> None:
    provider = Provider("answer")

    assert provider.policy().run(provider.call) == "answer"
    assert provider.waits == []


def test_a_passing_failure_is_tried_again() -> None:
    provider = Provider(PASSING, PASSING, "answer")

    assert provider.policy().run(provider.call) == "answer"
    assert len(provider.waits) == 2


def test_waits_double_with_jitter() -> None:
    provider = Provider(PASSING, PASSING, PASSING, PASSING, "answer")

    provider.policy().run(provider.call)

    assert all(longest / 2 <= wait <= longest for wait, longest in zip(provider.waits, [0.5, 1, 2, 4], strict=True))


def test_the_wait_that_the_provider_asks_for_is_kept() -> None:
    provider = Provider(Failed("busy", passing=True, after_s=7.0), Failed("busy", passing=True, after_s=0.0), "answer")

    provider.policy().run(provider.call)

    assert provider.waits == [7.0, 0.0]


def test_a_provider_that_asks_for_too_long_is_not_waited_for() -> None:
    failure = Failed("busy", passing=True, after_s=31.0)
    provider = Provider(failure)

    assert provider.policy().run(provider.call) is failure
    assert provider.waits == []


def test_a_lasting_failure_is_not_tried_again() -> None:
    failure = Failed("refused", passing=False)
    provider = Provider(failure)

    assert provider.policy().run(provider.call) is failure


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_the_number_of_calls_is_bounded(attempts: int) -> None:
    provider = Provider(*[PASSING] * attempts)

    assert provider.policy(attempts).run(provider.call) is PASSING
    assert provider.answers == []
    assert len(provider.waits) == attempts - 1
