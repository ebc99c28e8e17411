import socket
import stat
import sys
import threading

import pytest

from mosweb import parts, paths
from mosweb.run import CannotStart, environment, listen, reachable_address


def test_a_taken_port_is_named_with_another_to_take():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=f"port {port} of 127.0.0.1 is taken.*PORT={port + 1}"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def test_a_number_that_is_no_port_is_refused():
    with pytest.raises(CannotStart, match="PORT=70000 is not a port"):
        listen("127.0.0.1", 70000)


def test_listening_on_all_addresses_allows_the_one_that_raters_use(monkeypatch):
    monkeypatch.delenv("MOSWEB_HOSTS", raising=False)
    env = environment(host="0.0.0.0", address="10.1.2.3", port=8001, url="http://10.1.2.3:8001", marker="m")
    assert {"localhost", "127.0.0.1", "10.1.2.3"} < set(env["MOSWEB_HOSTS"].split(","))
    assert env["MOSWEB_PROBE"] == "http://127.0.0.1:8001/health"
    assert env["MOSWEB_HTTPS"] == "0"


def test_what_the_user_has_set_is_kept(monkeypatch):
    monkeypatch.setenv("MOSWEB_HOSTS", "study.example.org")
    monkeypatch.setenv("MOSWEB_HTTPS", "1")
    env = environment(host="127.0.0.1", address="127.0.0.1", port=8000, url="https://study.example.org", marker="m")
    assert env["MOSWEB_HOSTS"].split(",")[0] == "study.example.org"
    assert env["MOSWEB_HTTPS"] == "1"


def test_links_carry_an_address_that_another_machine_can_use():
    assert reachable_address("192.168.0.7") == "192.168.0.7"
    assert reachable_address("::1") == "[::1]"
    assert reachable_address("0.0.0.0") != "0.0.0.0"


def test_the_broker_socket_is_under_var_or_where_a_socket_can_be(tmp_path):
    assert paths.broker_socket(tmp_path) == tmp_path / "run" / "broker.sock"
    far = tmp_path / ("x" * 120)
    assert len(str(paths.broker_socket(far))) <= paths.LONGEST_SOCKET_PATH
    assert paths.broker_socket(far) == paths.broker_socket(far)
    assert paths.broker_socket(far) != paths.broker_socket(tmp_path / ("y" * 120))


def test_a_folder_with_a_space_gives_a_url_that_celery_reads_back(tmp_path):
    from kombu.utils.url import parse_url

    folder = tmp_path / "my studies"
    assert parse_url(paths.broker_url(folder))["virtual_host"] == str(folder / "run" / "broker.sock").lstrip("/")


def test_a_private_folder_is_its_owners_alone(tmp_path):
    paths.private_folder(tmp_path / "run")
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        paths.private_folder(tmp_path / "link")


def test_the_broker_has_no_tcp_port_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "VAR_DIR", tmp_path)
    command = list(parts.broker(env={}).command)
    assert command[command.index("--port") + 1] == "0"
    assert command[command.index("--save") + 1] == ""
    assert command[command.index("--appendonly") + 1] == "no"


@pytest.fixture
def gpu_machine(tmp_path, monkeypatch):
    """A machine whose nvidia-smi lists a GPU, and a torch built for CUDA."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nprint('GPU 0: NVIDIA H200 (UUID: GPU-1)')\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cu130")
    return program


def test_a_gpu_gets_a_worker_of_its_own_that_does_not_fork(gpu_machine):
    cpu, gpu = parts.workers(env={})
    assert list(gpu.command)[-4:] == ["--queues", "gpu", "--pool", "solo"]
    assert "default,cpu" in cpu.command


def test_without_a_gpu_there_is_no_gpu_worker(gpu_machine, monkeypatch):
    gpu_machine.write_text("#!/bin/sh\necho 'No devices were found'; exit 6\n")
    assert [part.name for part in parts.workers(env={})] == ["worker"]


def test_a_hidden_gpu_or_a_torch_without_cuda_counts_as_none(gpu_machine, monkeypatch):
    assert not parts.has_cuda({"CUDA_VISIBLE_DEVICES": ""})
    assert not parts.has_cuda({"CUDA_VISIBLE_DEVICES": "-1"})
    assert parts.has_cuda({"CUDA_VISIBLE_DEVICES": "0"})
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu")
    assert not parts.has_cuda({})


def test_a_port_that_a_dying_process_still_has_is_waited_for():
    holder = listen("127.0.0.1", 0)
    port = holder.getsockname()[1]
    with pytest.raises(CannotStart, match="taken by another program"):
        listen("127.0.0.1", port)
    threading.Timer(0.5, holder.close).start()
    listen("127.0.0.1", port, patience=20).close()
