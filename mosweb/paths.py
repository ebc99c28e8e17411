"""Where an installation keeps its data, and where its embedded broker listens. Standard library only."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

BASE_DIR = Path(__file__).resolve().parent.parent
# All data of an installation: database, images, secrets, logs.
VAR_DIR = Path(os.environ.get("MOSWEB_VAR") or BASE_DIR / "var").absolute()

# sun_path of a socket's address holds 104 bytes on macOS and 108 on Linux, the closing zero included.
LONGEST_SOCKET_PATH = 100
DEFAULT_URL = "http://127.0.0.1:8000"


def broker_socket(var_dir: Path) -> Path:
    """The embedded broker's unix socket: var/run/broker.sock, or in the temporary folder where that path is too long.

    The same folder gives the same path in every process, so that manage.py finds the broker of `make run`.
    """
    path = var_dir / "run" / "broker.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mosweb-{os.getuid()}-{digest}" / "broker.sock"


def broker_url(var_dir: Path) -> str:
    return f"redis+socket://{quote(str(broker_socket(var_dir)))}"


def site_url(var_dir: Path) -> str:
    """The address of the site: MOSWEB_URL, or that of `make run` as its lock names it, or its default."""
    with contextlib.suppress(OSError):
        running = (var_dir / "run" / "lock").read_text(encoding="utf-8").strip().partition(", ")[2]
        return os.environ.get("MOSWEB_URL") or running or DEFAULT_URL
    return os.environ.get("MOSWEB_URL") or DEFAULT_URL


def keep_strangers_out(var_dir: Path) -> None:
    """From now on this process writes nothing that others than owner and group may read, and var_dir is closed to them.

    The second is for what was written before, or with a file mode of its own.
    """
    os.umask(os.umask(0o077) | 0o027)
    with contextlib.suppress(FileNotFoundError, PermissionError):
        mode = var_dir.stat().st_mode & 0o777
        if mode & 0o007:
            var_dir.chmod(mode & 0o770)


def private_folder(path: Path) -> None:
    """Make `path` a folder that only its owner can enter. Raises PermissionError if it belongs to somebody else."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to somebody else; remove it, or set MOSWEB_VAR to a shorter path")
    path.chmod(0o700)


def remove_temporary_socket(var_dir: Path) -> None:
    """Remove the broker's folder if it is not in var/; the broker has removed its socket itself."""
    folder = broker_socket(var_dir).parent
    if folder != var_dir / "run":
        with contextlib.suppress(OSError):
            folder.rmdir()
