"""Optional dependencies: imported when first needed, and a missing one says which extra to install."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingExtraError(ImportError):
    """A feature needs a package that is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Imports a module that belongs to an extra.

    >>> from mnas_moo.objectives.extras import require
    >>> require("math", extra="host").sqrt(4.0)
    2.0

    Raises:
        MissingExtraError: the module, or one that it needs, is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{package} is not installed ({error}); install it with: pip install 'mnas-moo[{extra}]'"
        ) from error
