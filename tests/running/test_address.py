from __future__ import annotations

import pytest

from mnas_moo.running.address import shown_address, without_passwords


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hunter2@db/studies",
        "postgresql+psycopg2://me:hunter2@db:5432/studies?sslmode=require",
        "postgresql://:hunter2@db/studies",
        "postgresql://me:a@hunter2@db/studies",
        "postgresql://me:a/hunter2@db/studies",
        "postgresql://me:a?hunter2@db/studies",
        "postgresql://me:hunter 2 hunter2@db/studies",
        "postgresql://me:hunter2",
        "postgresql://me:hunter2/studies",
        "postgresql://db/studies?user=me&password=hunter2",
        "postgresql://db/studies?p%61ssword=hunter2&sslmode=require",
        "postgresql://db/studies?passwd=hunter2;PWD=hunter2",
        "mssql:///?odbc_connect=Driver%3Dx%3BPWD%3Dhunter2",
        "redis://:hunter2@db",
    ],
)
def test_no_password_is_shown(address: str) -> None:
    assert "hunter2" not in shown_address(address)
    assert "hunter2" not in without_passwords(f"it is {address}, which cannot be opened", address)
    if " " not in address:  # without being told which one, an address ends at a blank
        assert "hunter2" not in without_passwords(f"it is {address!r}, which cannot be opened")


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///digits.db",
        "sqlite:////tmp/me:you@here/digits.db",
        "journal:///digits.log",
        "postgresql://db:5432/studies",
        "postgresql://me@db/studies?sslmode=require",
        "postgresql+psycopg2://postgres@/postgres?host=/tmp/pg",
        "postgresql://[::1]:5432/studies",
        "no address",
    ],
)
def test_an_address_without_password_is_shown_whole(address: str) -> None:
    assert shown_address(address) == address


def test_all_but_the_password_is_shown() -> None:
    assert shown_address("mysql://me:x@db:3306/s?charset=utf8&ssl_passphrase=y") == (
        "mysql://me:***@db:3306/s?charset=utf8&ssl_passphrase=***"
    )


def test_the_password_is_hidden_in_what_a_driver_says_of_it() -> None:
    said = "invalid dsn: missing = after hunter+2 in host=db password=hunter+2"
    hidden = without_passwords(said, "postgresql://me:hunter%2B2@db/studies")
    assert "hunter" not in hidden
    assert hidden.startswith("invalid dsn: missing = after *** in host=db")
