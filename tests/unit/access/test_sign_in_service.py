"""Passwords and the throttled sign-in."""

from __future__ import annotations

import threading
import time

import pytest
from argon2 import PasswordHasher

from airspace.access.passwords import (
    MIN_LENGTH,
    generate_password,
    hash_password,
    needs_rehash,
    password_problem,
    verify_password,
)
from airspace.access.ports import InMemoryUserStore
from airspace.access.service import SignIn, Throttle, ThrottleSettings, TooManyAttemptsError, WrongCredentialsError
from airspace.model.errors import InvalidInputError
from airspace.model.roles import Role

GOOD = "correct horse"
HASH = hash_password(GOOD)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> InMemoryUserStore:
    users = InMemoryUserStore()
    users.add("ada", HASH)
    users.join("ada", "data_science", Role.AUTHOR)
    users.add("tess", None)
    users.add("gone", HASH)
    users.set_disabled("gone", True)
    return users


@pytest.fixture
def sign_in(store: InMemoryUserStore, clock: Clock) -> SignIn:
    return SignIn(store, Throttle(clock, ThrottleSettings(free_per_user=5, free_per_source=20)))


def test_the_right_password_gives_the_principal(sign_in: SignIn) -> None:
    assert sign_in("ada", GOOD, source="a").teams == {"data_science": Role.AUTHOR}


@pytest.mark.parametrize(
    ("name", "password"),
    [
        *(("ada", "wrong"), ("ada", ""), ("nobody", GOOD), ("tess", GOOD), ("gone", GOOD), ("", ""), ("a\0da", GOOD)),
        *(("x" * 100_000, GOOD), ("ada", "x" * 100_000)),
    ],
    ids=["wrong", "empty", "unknown", "no-password", "disabled", "nothing", "nul", "long-name", "long-password"],
)
def test_every_failure_says_the_same(sign_in: SignIn, name: str, password: str) -> None:
    with pytest.raises(WrongCredentialsError) as caught:
        sign_in(name, password, source="a")
    assert str(caught.value) == "The user name or the password is wrong."


def test_a_name_that_does_not_exist_costs_the_same_work() -> None:
    def seconds(password_hash: str | None) -> float:
        begun = time.perf_counter()
        verify_password("wrong", password_hash)
        return time.perf_counter() - begun

    seconds(None)
    known, unknown = min(seconds(HASH) for _ in range(5)), min(seconds(None) for _ in range(5))
    assert unknown > known / 3  # far apart would mean that no hash is computed at all


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_after_five_failures_a_user_waits_whether_or_not_they_exist(sign_in: SignIn, clock: Clock, name: str) -> None:
    for attempt in range(5):
        with pytest.raises(WrongCredentialsError):
            sign_in(name, "wrong", source=f"s{attempt}")
    with pytest.raises(TooManyAttemptsError) as caught:
        sign_in(name, GOOD, source="elsewhere")
    assert caught.value.seconds == 1
    assert str(caught.value) == "Too many attempts. Please try again in 1 second."
    clock.now += 1
    if name == "ada":
        assert sign_in(name, GOOD, source="elsewhere")


def test_the_wait_doubles_and_ends_at_a_minute(clock: Clock) -> None:
    throttle = Throttle(clock, ThrottleSettings())
    waits = []
    for _ in range(12):
        assert throttle.begin("k", 1) == 0
        waits.append(throttle.begin("k", 1))
        clock.now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
    clock.now += 901
    assert throttle.begin("k", 1) == 0
    assert throttle.begin("k", 2) == 0, "forgotten, so it counts from one again"


def test_one_source_trying_many_names_is_slowed_down(sign_in: SignIn) -> None:
    for attempt in range(20):
        with pytest.raises(WrongCredentialsError):
            sign_in(f"name{attempt}", "wrong", source="attacker")
    with pytest.raises(TooManyAttemptsError):
        sign_in("ada", GOOD, source="attacker")
    assert sign_in("ada", GOOD, source="home")


def test_success_clears_the_user_but_not_what_the_source_did(sign_in: SignIn) -> None:
    for _ in range(6):
        for _ in range(3):
            with pytest.raises(WrongCredentialsError):
                sign_in("ada", "wrong", source="attacker")
        assert sign_in("ada", GOOD, source="attacker")
    with pytest.raises(WrongCredentialsError):
        sign_in("x", "wrong", source="attacker")
    with pytest.raises(WrongCredentialsError):
        sign_in("y", "wrong", source="attacker")
    with pytest.raises(TooManyAttemptsError):
        sign_in("z", "wrong", source="attacker")


def test_good_sign_ins_do_not_keep_a_source_waiting(clock: Clock) -> None:
    throttle = Throttle(clock, ThrottleSettings())
    assert [throttle.begin("source", 2) for _ in range(3)] == [0, 0, 1]
    clock.now += 1
    assert throttle.begin("source", 2) == 0
    throttle.succeeded("source", forget=False)
    assert throttle.begin("source", 2) == 0, "only a failure is waited for"
    throttle.succeeded("source", forget=False)
    for _ in range(3):
        clock.now += 400
        assert throttle.begin("source", 1) == 0
        throttle.succeeded("source", forget=False)
    assert [throttle.begin("source", 2) for _ in range(3)] == [0, 0, 1], "forgotten, though heard of all the time"


def test_memory_stays_bounded_whatever_is_tried(clock: Clock) -> None:
    throttle = Throttle(clock, ThrottleSettings(remembered=100))
    for number in range(10_000):
        throttle.begin(f"name{number}", 5)
    assert len(throttle) == 100


def test_attempts_side_by_side_do_not_slip_through(clock: Clock) -> None:
    throttle = Throttle(clock, ThrottleSettings())
    passed: list[float] = []
    threads = [threading.Thread(target=lambda: passed.append(throttle.begin("k", 5))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert passed.count(0.0) == 5


def test_an_old_hash_is_replaced_when_its_owner_signs_in(store: InMemoryUserStore, sign_in: SignIn) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    store.set_password("ada", old)
    assert sign_in("ada", GOOD, source="a")
    new = store.password_hash("ada")
    assert new is not None
    assert needs_rehash(old)
    assert not needs_rehash(new)
    assert verify_password(GOOD, new)


def test_a_spoiled_hash_lets_nobody_in() -> None:
    assert not verify_password(GOOD, "not a hash")
    assert needs_rehash("not a hash")


@pytest.mark.parametrize("bad", ["", "x" * (MIN_LENGTH - 1), "x" * 2000, "abababababab", "Administrator"])
def test_bad_new_passwords_are_refused(bad: str) -> None:
    with pytest.raises(InvalidInputError):
        hash_password(bad, name="administrator")


def test_generated_passwords_are_good_and_never_the_same() -> None:
    some = {generate_password() for _ in range(50)}
    assert len(some) == 50
    assert all(password_problem(password) is None for password in some)
