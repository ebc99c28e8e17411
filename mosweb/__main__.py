"""python -m mosweb run: the whole site on this machine, as children of one process."""

import argparse
import os
import sys
from pathlib import Path

from mosweb.run import run
from mosweb.supervisor import say


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mosweb", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="start the site and everything it needs")
    host, port = os.environ.get("MOSWEB_HOST") or "127.0.0.1", os.environ.get("PORT") or "8000"
    run_parser.add_argument("--host", default=host, help="address to listen on; default MOSWEB_HOST or 127.0.0.1")
    run_parser.add_argument("--port", type=int, default=port, help="default PORT or 8000")
    run_parser.add_argument("--with-parent", action="store_true", help="stop when the parent process, make, does")
    first_parser = commands.add_parser("first-run", help="what run does to the data, and says; not called by hand")
    first_parser.add_argument("url")
    first_parser.add_argument("prepared", type=Path)
    options = parser.parse_args()
    if options.command == "run":
        return run(host=options.host, port=options.port, with_parent=options.with_parent)
    return prepare_and_announce(options.url, options.prepared)


def prepare_and_announce(url: str, prepared: Path) -> int:
    """Prepare the data, touch `prepared`, announce the site. In a process of its own: the supervisor stays small."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosweb.settings")
    import django
    from django.core.management import CommandError

    django.setup()
    from mosweb import first_run
    from studies.research.refusals import StudyError

    try:
        first_run.prepare()
        prepared.touch()
        first_run.announce(url)
    except (CommandError, StudyError) as problem:
        say(f"mosweb: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
