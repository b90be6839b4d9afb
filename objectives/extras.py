"""Optional dependencies: imported when first needed, and a missing one says which extra to install."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import shlex
import warnings
from types import ModuleType
from urllib.parse import unquote, urlsplit

from mnas_moo.objectives.memory import shortage_of


class MissingExtraError(ImportError):
    """A feature needs a package that is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Imports a module that belongs to an extra.

    >>> from mnas_moo.objectives.extras import require
    >>> require("math", extra="host").sqrt(4.0)
    2.0

    Raises:
        MissingExtraError: the module, or one that it needs, is not installed; the message names the extra. Or a
            library of its own cannot be loaded.
        MemoryError: it cannot be loaded for want of memory.
    """
    package = module.partition(".")[0]
    try:
        with warnings.catch_warnings():  # what a package says of its own dependencies is of no use to our users
            warnings.simplefilter("ignore", FutureWarning)
            return importlib.import_module(module)
    except ImportError as error:
        shortage = shortage_of(error)
        if shortage:
            raise MemoryError(f"{shortage}: {package} could not be loaded") from error
        if not isinstance(error, ModuleNotFoundError):
            reason = " ".join(str(error).split())
            raise MissingExtraError(f"{package} is installed, but cannot be loaded ({reason})") from error
        raise MissingExtraError(
            f"{package} is not installed ({error}); install it with: {install_command(extra)}"
        ) from error


def install_command(extra: str) -> str:
    """The command that installs an extra from where this package was installed (PEP 610's direct_url.json).

    A folder is named as such, as an editable install if this one is; of all else only the name is known.
    """
    try:
        record = json.loads(importlib.metadata.distribution("mnas-moo").read_text("direct_url.json") or "{}")
        url = urlsplit(record["url"])
        if url.scheme == "file" and "dir_info" in record:
            editable = "-e " if record["dir_info"].get("editable") else ""
            return f"pip install {editable}{shlex.quote(f'{unquote(url.path)}[{extra}]')}"
    except (importlib.metadata.PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return f"pip install 'mnas-moo[{extra}]'"
