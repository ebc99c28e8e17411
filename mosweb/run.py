"""The whole site on one machine: take hold of the data folder and the port, start the parts, stop them all."""

import errno
import fcntl
import os
import secrets
import socket
import sys
import time
from pathlib import Path

from mosweb import parts, paths, secret_files
from mosweb.guardian import STOPPING
from mosweb.processes import MARKER, parent_has_ended, stop_marked
from mosweb.supervisor import Part, Stopped, Supervisor, say

# A process that was killed gives its port back when the system is done with it, on a machine that is busy later.
SECONDS_TO_DIE = 10.0


class CannotStart(Exception):
    """Something stands in the way; the message says what to do."""


def run(*, host: str, port: int, with_parent: bool) -> int:
    """Run the site until it is asked to stop; return the exit status."""
    os.umask(0o077)  # the data is its owner's: answers, links, passwords' hashes
    run_dir, log_dir = paths.VAR_DIR / "run", paths.VAR_DIR / "log"
    try:
        for folder in (run_dir, log_dir, paths.broker_socket(paths.VAR_DIR).parent):
            paths.private_folder(folder)
        lock = take_lock(run_dir / "lock")
        ended = stop_leftovers(run_dir / "marker")
        listener = listen(host, port, patience=SECONDS_TO_DIE if ended else 0)
    except (CannotStart, OSError) as problem:
        say(f"mosweb: {problem}")
        return 1
    port = listener.getsockname()[1]
    address = reachable_address(host)
    url = os.environ.get("MOSWEB_URL") or f"http://{address}:{port}"
    os.pwrite(lock, f"process {os.getpid()}, {url}".encode().ljust(200), 0)
    env = environment(host=host, address=address, port=port, url=url, marker=new_marker(run_dir / "marker"))
    if address not in ("127.0.0.1", "[::1]", "localhost") and env["MOSWEB_HTTPS"] == "0":
        say(f"Raters use {url}. Everybody on this network can reach it, and nothing is encrypted.")
    supervisor = Supervisor(
        log_dir=log_dir, lock=lock, abandoned=parent_has_ended() if with_parent else lambda: False
    )
    try:
        return start_all(supervisor, env=env, listener=listener.fileno(), url=url)
    except Stopped:
        say("\nStopping ...")
        return 0
    finally:
        supervisor.stop()
        paths.remove_temporary_socket(paths.VAR_DIR)
        say("Stopped.")


def start_all(supervisor: Supervisor, *, env: dict[str, str], listener: int, url: str) -> int:
    if not env.get("REDIS_URL"):
        supervisor.start(parts.broker(env=env))
        if not supervisor.wait_until(paths.broker_socket(paths.VAR_DIR).is_socket, seconds=20):
            say("mosweb: the broker does not start; see var/log/broker.log")
            return 1
    prepared = paths.VAR_DIR / "run" / "prepared"
    prepared.unlink(missing_ok=True)
    first_run = Part(
        name="first run", command=[sys.executable, "-m", "mosweb", "first-run", url, str(prepared)], env=env
    )
    process = supervisor.begin(first_run)
    supervisor.wait_until(lambda: prepared.exists() or process.poll() is not None)
    if not prepared.exists():
        say("mosweb: the preparation failed; see above.")
        return 1
    supervisor.start(parts.web_server(env=env, listener=listener))
    for worker in parts.workers(env=env):
        supervisor.start(worker)
    if supervisor.finish(first_run):
        say(f"mosweb: not all is well; see above and the logs in {paths.VAR_DIR / 'log'}. The site stays up at {url}/.")
    supervisor.watch()
    return 0


def take_lock(path: Path) -> int:
    """Return the descriptor of the locked file; two sites on one folder of data would spoil each other's work."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + 1
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 200, 0).strip()
            if holder == STOPPING:  # that run was killed, and its guardian is ending the parts
                deadline = max(deadline, time.monotonic() + 0.2)
            elif time.monotonic() > deadline:
                raise CannotStart(
                    f"the site already runs on {paths.VAR_DIR} ({holder.decode()}). Stop that one first, or name "
                    "another folder for the data with MOSWEB_VAR."
                ) from None
            time.sleep(0.1)
        else:
            return handle


def stop_leftovers(marker: Path) -> int:
    """End what a run left behind that was killed together with its guardian; return how many processes it was."""
    count = stop_marked(marker.read_text(encoding="utf-8").strip()) if marker.exists() else 0
    if count:
        say(f"Ended {count} processes of an earlier run that was killed.")
    return count


def new_marker(path: Path) -> str:
    marker = secrets.token_hex(16)
    secret_files.write(path, marker)
    return marker


def listen(host: str, port: int, *, patience: float = 0) -> socket.socket:
    """`patience`: for so many seconds a port that is taken is tried again, as one is whose process is just dying."""
    if not 0 <= port <= 65535:
        raise CannotStart(f"PORT={port} is not a port; choose one from 1024 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + patience
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=2048)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise CannotStart(_why_not_listening(error, host, port)) from error
        time.sleep(0.1)


def _why_not_listening(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken by another program. Choose another port: make run PORT={port + 1}"
    if error.errno == errno.EACCES:
        return f"port {port} needs the rights of root. Choose one above 1023: make run PORT=8000"
    return f"cannot listen on {host} ({error.strerror or error}); HOST must be an address of this machine, or 0.0.0.0."


def reachable_address(host: str) -> str:
    """What to put into a link: the address itself, or for "all addresses" the one that the network knows."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks which way packets would go
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def environment(*, host: str, address: str, port: int, url: str, marker: str) -> dict[str, str]:
    """The environment of every part: ours, and what follows from how this run was started."""
    given = os.environ.get("MOSWEB_HOSTS", "localhost,[::1]")
    name = socket.gethostname().lower()
    here = "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else address  # noqa: S104
    return {
        "DJANGO_SETTINGS_MODULE": "mosweb.settings",
        "MOSWEB_HTTPS": "0",  # plain http; a deployment behind TLS sets 1
        **os.environ,
        "MOSWEB_VAR": str(paths.VAR_DIR),
        "MOSWEB_HOSTS": ",".join(dict.fromkeys([*given.split(","), "127.0.0.1", address, name, f"{name}.local"])),
        "MOSWEB_URL": url,
        "MOSWEB_PROBE": f"http://{here}:{port}/health",
        "PYTHONUNBUFFERED": "1",
        # Process titles must not overwrite the environment, by which a later run knows these processes.
        "SPT_NOENV": "1",
        MARKER: marker,
    }
