"""A supervisor over the parts named in JSON on the command line, for tests/test_supervisor.py to signal and kill."""

import json
import os
import sys
from pathlib import Path

from mosweb import supervisor
from mosweb.supervisor import Part, Stopped, Supervisor, say

folder, commands = Path(sys.argv[1]), json.loads(sys.argv[2])
supervisor.FIRST_DELAY = 0.02
supervisor.LONGEST_DELAY = 0.1
supervisor.LOG_BYTES, supervisor.LOG_CHECK_SECONDS = 1000, 0.1
lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
running = Supervisor(log_dir=folder, lock=lock)
try:
    for name, command in commands.items():
        running.start(Part(name=name, command=command, env=os.environ, stops_last=name == "last"))
    say("started")
    running.watch()
except Stopped:
    running.stop()
    say("stopped")
