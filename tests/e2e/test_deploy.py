"""What stands in deploy/, on real programs: nginx before the site during faults, the units' commands, the compose file.

Not run here: systemd itself (its checker is), and containers (the compose file is checked, no image is built).
"""

import contextlib
import http.client
import json
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.plant import ROOT, Sqlite, program, wait_for
from tests.e2e.scripted import Site
from tests.e2e.test_generation_faults import NEW_STUDY
from tests.e2e.test_hosts import write_pictures
from tests.process_tools import free_ports
from tests.studies.services import Valkey

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


class Nginx:
    """deploy/nginx.conf as it stands, but for ports, folders, the certificate, and patience for a site that hangs."""

    def __init__(self, folder: Path, site_port: int, *, error_log: str = "/dev/null emerg") -> None:
        self.folder, (self.http, self.https) = folder, free_ports(2)
        self._program = program("nginx")
        for name in ("log", "tmp", "tls"):
            (folder / name).mkdir(parents=True)
        command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
        command += ["-keyout", folder / "tls" / "privkey.pem", "-out", folder / "tls" / "fullchain.pem"]
        subprocess.run(command, check=True, capture_output=True)
        changes = {
            "127.0.0.1:8000": f"127.0.0.1:{site_port}",
            "listen 80;": f"listen 127.0.0.1:{self.http};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.https} ssl http2;",
            "study.example.org;": "localhost;",
            "/etc/letsencrypt/live/study.example.org": str(folder / "tls"),
            "/var/log/nginx": str(folder / "log"),
            "/etc/nginx/mosweb_proxy.conf": str(folder / "mosweb_proxy.conf"),
            "/dev/null emerg": error_log,
        }
        text = re.sub(r" *listen \[::\].*\n", "", (DEPLOY / "nginx.conf").read_text())
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        (folder / "mosweb.conf").write_text(text)
        proxy = (DEPLOY / "mosweb_proxy.conf").read_text().replace("60s", "1s").replace("Host $host", "Host $http_host")
        (folder / "mosweb_proxy.conf").write_text(proxy)
        paths = "".join(
            f"{kind}_temp_path {folder}/tmp/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(
            f"{user} daemon off; pid {folder}/pid; error_log {folder}/log/error.log info;"
            f"events {{}} http {{ {paths} include {folder}/mosweb.conf; }}"
        )

    def start(self) -> None:
        command = [self._program, "-p", self.folder, "-c", self.folder / "nginx.conf"]
        with (self.folder / "start.log").open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log)
        wait_for(self._answers, seconds=20, what=f"nginx answers; see {self.folder}/start.log")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return not probe.connect_ex(("127.0.0.1", self.https))

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=20)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> int:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.https, timeout=30, context=context)
        try:
            connection.request(method, path, body, {"Host": "localhost", **headers})
            return connection.getresponse().status
        finally:
            connection.close()

    def say(self, text: bytes) -> None:
        """To the port without TLS, whatever it is; then hang up."""
        with socket.create_connection(("127.0.0.1", self.http), timeout=10) as connection:
            connection.sendall(text)
            with contextlib.suppress(OSError):
                connection.recv(1000)

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in (self.folder / "log").iterdir())


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "site", Sqlite(tmp_path / "site" / "db.sqlite3"), MOSWEB_PROXIES="1")
    yield site
    site.kill()


def faults(site: Site, nginx: Nginx) -> list[int]:
    """Everything that makes nginx write of a request, each with a token or a query in its address."""
    token = site.links[0].strip("/").split("/")[1]
    link, image, rate = site.links[0], f"/image/{token}?q=secret-query", f"/study/rate/{token}/"
    referrer = {"Referer": f"https://localhost/i/{token}/"}
    site.start()
    wait_for(lambda: nginx.ask("/health") == 200, seconds=40, what="the site answers")
    answers = [nginx.ask(link), nginx.ask("/study/?q=secret-query", **referrer), nginx.ask(image)]
    answers += [nginx.ask(rate, "POST", b"x" * 5_000_000), nginx.ask("/" + "a" * 20_000 + token)]
    answers += [nginx.ask(link, Host="other.example"), nginx.ask(link, "TRACE")]
    for text in (f"GET {link}\0 HTTP/1.1\r\n\r\n", f"GET {link} HTTP/9.9\r\n\r\n", f"NONSENSE{link}", f"GET {link} "):
        nginx.say(text.encode())
    nginx.say(f"POST {rate} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nscore=".encode())
    os.killpg(site.process.pid, signal.SIGSTOP)
    answers += [nginx.ask(link, **referrer), nginx.ask(rate, "POST", b"score=3", **referrer)]
    os.killpg(site.process.pid, signal.SIGCONT)
    site.kill()
    answers += [nginx.ask(link, **referrer), nginx.ask(rate, "POST", b"score=3"), nginx.ask(image, **referrer)]
    return answers


def test_no_token_and_no_query_reach_a_log_of_nginx_whatever_fails(site, tmp_path):
    nginx = Nginx(tmp_path / "nginx", site.port)
    nginx.start()
    try:
        answers = faults(site, nginx)
    finally:
        nginx.stop()
    assert answers[:2] == [302, 403]  # the link opens; a browser without its cookie sees no study
    assert {413, 414, 502, 504} <= set(answers)
    said = nginx.logs()
    tokens = [link.strip("/").split("/")[1] for link in site.links]
    assert [secret for secret in (*tokens, "secret-query") if secret in said] == []
    # What an operator needs is there all the same.
    assert re.search(r"GET /i/\.\.\. 502 .* site=127\.0\.0\.1:\d+ site_status=502", said)
    assert re.search(r"POST /study/rate/\.\.\. 504 ", said)


def test_the_error_log_that_the_configuration_turns_off_would_have_them(site, tmp_path):
    """So the test above looks for something that is otherwise there."""
    nginx = Nginx(tmp_path / "nginx", site.port, error_log=f"{tmp_path}/nginx/log/requests.log info")
    nginx.start()
    try:
        faults(site, nginx)
    finally:
        nginx.stop()
    token = site.links[0].strip("/").split("/")[1]
    lines = (tmp_path / "nginx" / "log" / "requests.log").read_text(errors="replace").splitlines()
    assert sum(token in line for line in lines) >= 5


def unit_text(path: Path, tmp_path: Path) -> str:
    """The unit with this checkout and its environment in place of what is installed."""
    text = path.read_text().replace("/opt/mosweb/.venv/bin", str(Path(sys.executable).parent))
    return text.replace("/opt/mosweb", str(ROOT)).replace("/etc/mosweb", str(tmp_path))


def test_the_units_are_what_systemd_takes(tmp_path):
    checker = program("systemd-analyze", needed_in_ci=False)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit_text(unit, tmp_path).replace("User=mosweb\nGroup=mosweb\n", ""))
    done = subprocess.run(
        [checker, "verify", *sorted(str(tmp_path / unit.name) for unit in UNITS)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def commands(name: str, tmp_path: Path) -> list[list[str]]:
    text = unit_text(DEPLOY / "systemd" / name, tmp_path)
    return [shlex.split(line.partition("=")[2]) for line in text.splitlines() if line.startswith("ExecStart=")]


def environment(tmp_path: Path) -> dict[str, str]:
    """What deploy/mosweb.env sets, but for the folder, the database and the broker."""
    lines = [line.partition("=") for line in (DEPLOY / "mosweb.env").read_text().splitlines() if "=" in line]
    own = {"MOSWEB_VAR": str(tmp_path / "var"), "DATABASE_URL": f"sqlite:///{tmp_path}/var/db.sqlite3"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOSWEB_", "REDIS_"))}
    given = {name: value for name, _, value in lines if name != "REDIS_URL" and not name.startswith("#")}
    return {**kept, **given, **own, "PYTHONPATH": str(ROOT)}


def for_others(var: Path) -> list[Path]:
    """What is more than 0640 (a folder: 0750)."""
    found = [path for path in var.rglob("*") if not path.is_socket()]
    assert len(found) > 3
    return [path for path in found if path.stat().st_mode & 0o027]


def test_the_units_commands_start_the_site_on_systemds_socket_and_stop_it(tmp_path):
    env = environment(tmp_path)
    (tmp_path / "var").mkdir()
    for command in commands("mosweb-prepare.service", tmp_path):
        subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
    (command,) = commands("mosweb-web.service", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        # What systemd hands over: the listening socket as descriptor 3, the process that it is meant for, whom to tell.
        shell = f"exec env LISTEN_FDS=1 LISTEN_PID=$$ {shlex.join(command)} 3<&{listener.fileno()}"
        site = subprocess.Popen(
            ["bash", "-c", shell], cwd=ROOT, env={**env, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert b"READY=1" in notify.recv(1000)
            connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=30)
            connection.request("GET", "/health", headers={"Host": "localhost"})
            assert connection.getresponse().status == 200
            connection.close()
        finally:
            site.terminate()
        assert site.wait(timeout=15) == 0  # TimeoutStopSec
    assert for_others(tmp_path / "var") == []


@pytest.mark.parametrize("unit", ["mosweb-worker.service", "mosweb-worker-gpu.service"])
def test_a_workers_units_command_makes_images_and_stops_when_told(unit, tmp_path):
    """The GPU's is given its queue's work too: where no GPU is, its networks run on the CPU."""
    env = environment(tmp_path)
    (tmp_path / "var").mkdir()
    broker = Valkey(tmp_path)
    broker.start()
    env["REDIS_URL"] = broker.url
    database = Sqlite(tmp_path / "var/db.sqlite3")
    for command in commands("mosweb-prepare.service", tmp_path):
        subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)

    def manage(*words: str) -> None:
        command = [sys.executable, "manage.py", *words]
        subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)

    (command,) = commands(unit, tmp_path)
    method = "espcn" if "gpu" in unit else "bicubic"
    try:
        manage("import_benchmark", "noise", str(write_pictures(tmp_path / "pictures")))
        manage("shell", "-v0", "-c", NEW_STUDY.format(benchmark="noise", methods=[method]))
        manage("generate", "run", "--no-wait")
        command = [word.replace("%%h", "here") for word in command]
        worker = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            done = "SELECT count(*) FROM studies_stimulus WHERE state = 'done'"
            wait_for(lambda: database.query(done) == [(14,)], seconds=180, what="14 images")
            worker.terminate()
            assert worker.wait(timeout=60) == 0  # TimeoutStopSec
            assert for_others(tmp_path / "var") == []
        finally:
            worker.kill()
            worker.wait()
    finally:
        broker.kill()


def test_the_backup_units_command_makes_a_backup_and_staff_see_when(tmp_path):
    env = environment(tmp_path)
    (tmp_path / "var" / "backups").mkdir(parents=True)
    for command in commands("mosweb-prepare.service", tmp_path):
        subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
    (command,) = commands("mosweb-backup.service", tmp_path)
    assert command[-1] == "/var/lib/mosweb/backups"
    command[-1] = str(tmp_path / "var/backups")
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
    (backup,) = (tmp_path / "var/backups").glob("mosweb-*.zip")
    assert Sqlite(tmp_path / "var/db.sqlite3").query("SELECT file_name FROM studies_backup") == [(backup.name,)]


def test_the_compose_file_is_what_docker_compose_takes():
    command = [program("docker-compose", needed_in_ci=False)]
    env = {**os.environ, "MOSWEB_NAME": "study.example.org", "POSTGRES_PASSWORD": "secret"}
    done = subprocess.run([*command, "-f", DEPLOY / "compose.yml", "config"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("database", "broker", "prepare", "web", "worker", "proxy"):
        assert re.search(rf"^  {name}:$", done.stdout, re.M), name
    unset = subprocess.run([*command, "-f", DEPLOY / "compose.yml", "config"], capture_output=True, text=True)
    assert unset.returncode != 0
    assert "MOSWEB_NAME" in unset.stderr


def part(name: str) -> str:
    """Of the compose file, what belongs to one service."""
    return re.search(rf"^  {name}:\n((?:(?:    .*)?\n)+)", (DEPLOY / "compose.yml").read_text(), re.M)[1]


def test_the_compose_files_names_are_those_of_the_code_the_image_and_nginx():
    """Also where no docker-compose is."""
    text, image = (DEPLOY / "compose.yml").read_text(), (DEPLOY / "Dockerfile").read_text()
    code = "".join(path.read_text() for path in (ROOT / "mosweb").rglob("*.py"))
    given = set(re.findall(r"^    (MOSWEB_\w+|DATABASE_URL|REDIS_URL):", text, re.M))
    kept = set(re.findall(r"^(\w+)=", (DEPLOY / "mosweb.env").read_text(), re.M))
    assert kept == given | {"MOSWEB_VAR"}
    assert [name for name in kept if f'"{name}"' not in code] == []
    # What the site keeps is on a volume, also what PostgreSQL does.
    var = re.search(r"MOSWEB_VAR=(\S+)", image)[1]
    assert f"- var:{var}\n" in text
    assert "- database:/var/lib/postgresql/data\n" in part("database")
    assert re.search(r"^volumes:\n  var:\n  database:\n", text, re.M)
    # The port on which the image serves is where nginx and the look at its health ask.
    port = re.search(r'"--bind", "0\.0\.0\.0:(\d+)"', image)[1]
    assert f"s/127.0.0.1:8000/web:{port}/" in part("proxy")
    assert f"http://localhost:{port}/health" in part("web")
    assert "localhost" in re.search(r"MOSWEB_HOSTS: (.*)", text)[1]
    assert re.search(r"postgres://mosweb:.*@database/mosweb", text)
    assert "redis://broker:6379/0" in text


def test_the_compose_files_commands_are_the_units_and_its_changes_fit_nginxs_configuration(tmp_path):
    (unit,) = commands("mosweb-worker.service", tmp_path)
    (worker,) = re.findall(r"command: (\[.*\])", part("worker"))
    assert json.loads(worker) == [Path(unit[0]).name, *(word.replace("%%h", "%h") for word in unit[1:])]
    prepared = [command[1:3] for command in commands("mosweb-prepare.service", tmp_path)]
    assert re.findall(r"python (manage\.py) (\w+)", part("prepare")) == [tuple(command) for command in prepared]
    proxy = part("proxy")
    for name in re.findall(r"- \./(\S+):/deploy/", proxy):
        assert (DEPLOY / name).is_file()
    changes = re.findall(r"""-e ['"]s(.)(.*?)\1(.*?)\1['"]""", proxy.replace("$$MOSWEB_NAME", "study.example.org"))
    assert len(changes) == 4
    configuration = (DEPLOY / "nginx.conf").read_text()
    for _, old, new in changes:
        assert old in configuration, old
        configuration = configuration.replace(old, new)
    assert "/var/log/nginx" not in configuration
    assert "/etc/nginx/mosweb_proxy.conf" in configuration
