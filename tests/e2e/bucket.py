"""A real object store with S3's interface, SeaweedFS, to be killed and frozen."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e.plant import wait_for
from tests.process_tools import free_ports

BUCKET, KEY, SECRET = "mosweb-images", "a-key", "a-secret"


class Bucket:
    """One process on ports of its own; what it was given it has again after `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "data").mkdir(parents=True)
        identity = {
            "name": "mosweb",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "List", "Write"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        ports = free_ports(8)
        self._ports = dict(zip(("master", "volume", "filer", "s3"), ports[:4], strict=True))
        self._grpc_ports = dict(zip(self._ports, ports[4:], strict=True))
        self.url = f"http://127.0.0.1:{self._ports['s3']}"
        self.environment = {
            "MOSWEB_IMAGE_STORAGE": "studies.storage.s3.S3Images",
            "MOSWEB_IMAGE_STORAGE_OPTIONS": json.dumps(
                {"bucket_name": BUCKET, "endpoint_url": self.url, "region_name": "us-east-1"}
            ),
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def start(self) -> None:
        program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
        assert program, "pip install -r requirements-dev.txt"
        command = [program, "server", "-dir", str(self._folder / "data"), "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        command += ["-filer", "-s3", "-s3.config", str(self._folder / "s3.json"), "-volume.max=10"]
        command += ["-master.volumeSizeLimitMB=64", "-master.electionTimeout=1s", "-master.telemetry=false"]
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # of fixed numbers: a second store could not start
        command += ["-volume.minFreeSpace=200MiB"]  # else a disk that is 99 % full makes its volumes read-only
        for name, port in self._ports.items():
            command += [f"-{name}.port={port}", f"-{name}.port.grpc={self._grpc_ports[name]}"]
        log = self._folder / "weed.log"
        with log.open("ab") as written:
            self.process = subprocess.Popen(command, stdout=written, stderr=written, cwd=self._folder)
        self._error = "nothing was asked"
        try:
            wait_for(self._is_there_or_ended, seconds=180, what="the object store starts")
            assert self.process.poll() is None, "the object store ended as it started"
        except (TimeoutError, AssertionError) as error:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
            self.kill()
            raise AssertionError(f"{error}\nasked last: {self._error}\n{last}") from None

    def _is_there_or_ended(self) -> bool:
        return self.process.poll() is not None or self._is_there()

    def _is_there(self) -> bool:
        limits = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})
        client = boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1",
            config=limits,
        )  # fmt: skip
        try:
            if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="started", Body=b"whether volumes can be written")
        except (BotoCoreError, ClientError) as error:
            self._error = repr(error)
            return False
        return True

    def freeze(self) -> None:
        """It takes connections, and answers none."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
