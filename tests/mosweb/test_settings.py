import json
import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def manage(tmp_path, *arguments, python=(), preexec_fn=None, **environment) -> subprocess.CompletedProcess:
    """Run manage.py as a fresh installation would: nothing of this process's settings, its data in tmp_path."""
    ours = re.compile(r"MOSWEB_|SECRET_KEY|DATABASE_URL|REDIS_URL|DJANGO_")
    clean = {key: value for key, value in os.environ.items() if not ours.match(key)}
    return subprocess.run(
        [sys.executable, *python, "manage.py", *arguments],
        env={**clean, "MOSWEB_VAR": str(tmp_path), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=preexec_fn,
    )


def setting(tmp_path, *names, **environment) -> dict:
    code = (
        "import json; from django.conf import settings; "
        f"print(json.dumps({{name: getattr(settings, name) for name in {names!r}}}))"
    )
    return json.loads(manage(tmp_path, "shell", "--no-imports", "-c", code, **environment).stdout)


def test_the_deployment_check_has_nothing_to_say_about_the_defaults(tmp_path):
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "INFO")
    assert done.returncode == 0, done.stderr
    # Preloading HSTS is a choice that only the owner of the domain can make.
    assert "no issues (1 silenced)" in done.stdout


def test_hsts_is_preloaded_only_by_choice(tmp_path):
    assert setting(tmp_path, "SECURE_HSTS_PRELOAD") == {"SECURE_HSTS_PRELOAD": False}
    assert setting(tmp_path, "SECURE_HSTS_PRELOAD", MOSWEB_HSTS_PRELOAD="1") == {"SECURE_HSTS_PRELOAD": True}
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "INFO", MOSWEB_HSTS_PRELOAD="1")
    assert "no issues (0 silenced)" in done.stdout


def test_plain_http_is_what_the_deployment_check_complains_about(tmp_path):
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", MOSWEB_HTTPS="0")
    assert done.returncode == 1
    assert "security.W012" in done.stderr  # SESSION_COOKIE_SECURE


def test_the_web_process_loads_no_torch(tmp_path):
    loaded = {
        line.rpartition("|")[2].strip()
        for line in manage(tmp_path, "check", python=("-X", "importtime")).stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "studies.rating.views" in loaded  # the addresses were loaded
    assert loaded.isdisjoint({"torch", "torchvision", "skimage", "numba"})


def test_the_rules_who_may_import_whom_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", done.stdout)


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_and_installed_as_pinned(file):
    for requirement in requirements(ROOT / file):
        ((operator, version),) = ((s.operator, s.version) for s in requirement.specifier)
        assert operator == "==", requirement
        installed = distribution(requirement.name).version
        assert requirement.specifier.contains(installed), f"{requirement.name}: {installed} is installed, not {version}"


def test_what_the_runtime_requirements_bring_along_is_pinned_too():
    pinned = {canonicalize_name(r.name): r for r in requirements(ROOT / "requirements.txt")}
    for name, requirement in pinned.items():
        for text in distribution(name).requires or []:
            brought = Requirement(text)
            extras = requirement.extras or {""}
            if brought.marker is None or any(brought.marker.evaluate({"extra": extra}) for extra in extras):
                # The CUDA build of torch names the libraries that fit it, each with its version.
                known = canonicalize_name(brought.name) in pinned or brought.name.startswith(
                    ("nvidia", "cuda", "triton")
                )
                assert known or brought.name == "setuptools", f"{name} brings {brought.name}"


HASHED = re.compile(
    r"^(?P<name>[a-z0-9.-]+)==(?P<version>[^ ]+)(?: ; [^\\\n]+)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+",
    re.M,
)


def hashed(path: Path) -> dict[str, str]:
    text = path.read_text()
    found = {match["name"]: match["version"] for match in HASHED.finditer(text)}
    assert "".join(match[0] for match in HASHED.finditer(text)) == text, "a line without hashes"
    return found


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_pin_but_torch_has_the_hashes_of_its_files_in_the_lock(name):
    pinned = {canonicalize_name(r.name): r for r in requirements(ROOT / f"{name}.txt")}
    if name == "requirements-dev":
        pinned |= {canonicalize_name(r.name): r for r in requirements(ROOT / "requirements.txt")}
    locked = hashed(ROOT / f"{name}.lock")
    assert pinned.keys() - locked.keys() == {"torch", "torchvision"}, "run .ci/hashes"
    wrong = {n: locked[n] for n in pinned.keys() & locked.keys() if not pinned[n].specifier.contains(locked[n])}
    assert not wrong, "run .ci/hashes"


def requirements(path: Path) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-r")]


def test_the_secret_key_is_made_once_and_kept_from_others(tmp_path):
    first = setting(tmp_path, "SECRET_KEY")
    assert len(first["SECRET_KEY"]) > 60
    assert setting(tmp_path, "SECRET_KEY") == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert setting(tmp_path, "SECRET_KEY", SECRET_KEY="given") == {"SECRET_KEY": "given"}


def test_errors_are_reported_to_nobody_unless_a_function_is_named(tmp_path):
    assert setting(tmp_path, "LOG_HANDLERS") == {"LOG_HANDLERS": ["console"]}
    named = setting(tmp_path, "LOGGING", MOSWEB_ERROR_REPORTER="builtins.print")["LOGGING"]
    assert named["root"]["handlers"] == ["console", "error_reporter"]
    assert "hide_tokens" in named["handlers"]["error_reporter"]["filters"]


def test_the_embedded_defaults_are_sqlite_and_a_unix_socket_under_var(tmp_path):
    found = setting(tmp_path, "DATABASES", "CELERY_BROKER_URL", "DEBUG")
    assert found["DATABASES"]["default"]["NAME"] == str(tmp_path / "db.sqlite3")
    assert found["DATABASES"]["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found["CELERY_BROKER_URL"] == f"redis+socket://{tmp_path}/run/broker.sock"
    assert found["DEBUG"] is False


def test_variables_without_a_value_are_as_if_they_were_not_set(tmp_path):
    found = setting(tmp_path, "DATABASES", "CELERY_BROKER_URL", DATABASE_URL="", REDIS_URL="")
    assert found["DATABASES"]["default"]["NAME"] == str(tmp_path / "db.sqlite3")
    assert found["CELERY_BROKER_URL"] == f"redis+socket://{tmp_path}/run/broker.sock"


def test_two_variables_switch_to_postgresql_and_redis(tmp_path):
    database, broker = "postgres://someone@db.example:5433/study", "redis://broker.example:6380/2"
    found = setting(tmp_path, "DATABASES", "CELERY_BROKER_URL", DATABASE_URL=database, REDIS_URL=broker)
    chosen = found["DATABASES"]["default"]
    assert (chosen["ENGINE"], chosen["HOST"], chosen["PORT"], chosen["NAME"]) == (
        "django.db.backends.postgresql",
        "db.example",
        5433,
        "study",
    )
    assert "OPTIONS" not in chosen or "transaction_mode" not in chosen["OPTIONS"]
    assert found["CELERY_BROKER_URL"] == broker
