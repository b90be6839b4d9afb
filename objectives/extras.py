"""Optional dependencies: imported when first needed, and a missing one says which extra to install."""

from __future__ import annotations

import importlib
from types import ModuleType

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
        return importlib.import_module(module)
    except ImportError as error:
        shortage = shortage_of(error)
        if shortage:
            raise MemoryError(f"{shortage}: {package} could not be loaded") from error
        if not isinstance(error, ModuleNotFoundError):
            reason = " ".join(str(error).split())
            raise MissingExtraError(f"{package} is installed, but cannot be loaded ({reason})") from error
        raise MissingExtraError(
            f"{package} is not installed ({error}); install it with: pip install 'mnas-moo[{extra}]'"
        ) from error
