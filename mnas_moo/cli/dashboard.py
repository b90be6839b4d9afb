"""The verb `dashboard`: the Optuna Dashboard on a study's storage, until Ctrl-C."""

from __future__ import annotations

import argparse
from typing import Any

from mnas_moo.cli.verb import add_study, add_verb, study_file_of


def add(verbs: Any) -> None:
    """Adds the verb `dashboard`."""
    parser = add_verb(
        verbs,
        "dashboard",
        _dashboard,
        "open the Optuna Dashboard on a study's storage",
        "  mnas-moo dashboard digits\n  mnas-moo dashboard digits --port 8081 --no-browser",
    )
    add_study(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: 8080; 0: any free one)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")


def _dashboard(arguments: argparse.Namespace) -> int:
    from mnas_moo.reports.dashboard import serve
    from mnas_moo.study_file.document import refusals

    study_file = study_file_of(arguments)
    with refusals():
        serve(study_file, host=arguments.host, port=arguments.port, open_browser=not arguments.no_browser)
    return 0
