"""What runs on the virtual phone as ``benchmark_model``: it hands its arguments over and prints what comes back.

The phone has the model run by a process with LiteRT loaded, for this one has to start as fast as the real tool:
standard library only, and no site-packages (``python -I -S``).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys


def main(address: str, arguments: list[str]) -> int:
    """Runs one benchmark by the phone that listens at ``address``; returns the exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        request = {"arguments": arguments, "mask": os.environ.get("TASKSET_MASK")}
        request["libraries"] = os.environ.get("LD_LIBRARY_PATH", "")
        connection.sendall(json.dumps(request).encode() + b"\n")
        for line in connection.makefile(encoding="utf-8"):
            answer = json.loads(line)
            if "signal" in answer:
                signal.signal(answer["signal"], signal.SIG_DFL)
                os.kill(os.getpid(), answer["signal"])
            if "exit" in answer:
                return int(answer["exit"])
            stream = sys.stdout if answer["stream"] == "stdout" else sys.stderr
            stream.write(answer["text"])
            stream.flush()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
