"""What may be shown of a storage's address: everything but the passwords in it.

An address is a URL as SQLAlchemy reads one. Addresses are hidden by pattern and not by parsing, so that one with a
mistake in it is hidden as well; where it is unclear what belongs to the password, more is hidden.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

HIDDEN = "***"

_USER = re.compile(r"(?P<head>://[^:/@?\s]*:)(?P<password>.*)(?=@)", re.DOTALL)  # to the last @: more, not less
_PORT = re.compile(r"(?P<head>://[^:/@?\s\[\]]*:)(?P<port>[^/@?]*[^0-9/@?][^/@?]*)")  # no number: a password without @
_SECRET = re.compile(r"pass|pwd|secret|token|credential|odbc_connect|api_?key", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-zA-Z][\w+.-]*://[^\s\"<>]+")


def shown_address(address: str) -> str:
    """An address without its passwords, also those in its query.

    >>> shown_address("postgresql://me:s3cret@db.lan:5432/studies?sslpassword=x&sslmode=require")
    'postgresql://me:***@db.lan:5432/studies?sslpassword=***&sslmode=require'
    >>> shown_address("sqlite:///digits.db")
    'sqlite:///digits.db'
    """
    hidden = _USER.sub(rf"\g<head>{HIDDEN}", address)
    if hidden == address:
        hidden = _PORT.sub(rf"\g<head>{HIDDEN}", address)
    front, mark, query = hidden.partition("?")
    return front + mark + re.sub(r"[^&;]+", lambda found: _shown_parameter(found[0]), query)


def _shown_parameter(parameter: str) -> str:
    """A parameter of a query, `key=value`, without a value that is secret."""
    key, equals, _ = parameter.partition("=")
    return f"{key}={HIDDEN}" if equals and _SECRET.search(unquote_plus(key)) else parameter


def without_passwords(text: str, address: str | None = None) -> str:
    """A text without the passwords of the addresses in it.

    >>> without_passwords("no table in mysql://me:s3cret@db/studies, sorry")
    'no table in mysql://me:***@db/studies, sorry'

    Args:
        text: a message, of this program or of a driver.
        address: an address whose passwords are hidden wherever they stand in the text.
    """
    if address is not None:
        text = text.replace(address, shown_address(address))
        for secret in sorted(_secrets(address), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
    return _ADDRESS.sub(lambda found: shown_address(found[0]), text)


def _secrets(address: str) -> set[str]:
    """The passwords of an address, as they are written and decoded."""
    found = [match["password"] for match in _USER.finditer(address)]
    for parameter in re.split("[&;]", address.partition("?")[2]):
        key, _, value = parameter.partition("=")
        if _SECRET.search(unquote_plus(key)):
            found.append(value)
    return {form for secret in found for form in (secret, unquote_plus(secret)) if form}
