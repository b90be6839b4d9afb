"""The program of a further process of a run: the command line, interrupted when standard input ends (``beside``)."""

import sys
import threading

from mnas_moo.cli.beside import watch_input
from mnas_moo.cli.main import main

if __name__ == "__main__":
    threading.Thread(target=watch_input, daemon=True).start()
    sys.exit(main())
