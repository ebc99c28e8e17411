"""A backup of a site whose images are in S3 comes back into another bucket, on a real object store."""

import json

import boto3

from tests import fresh
from tests.e2e.bucket import KEY, SECRET
from tests.e2e.plant import Sqlite
from tests.studies.safekeeping.installations import Installation
from tests.studies.safekeeping.test_restore import fill

OTHER = "mosweb-restored"


def objects(client, name: str) -> dict[str, bytes]:
    listed = client.list_objects_v2(Bucket=name).get("Contents", [])
    names = [entry["Key"] for entry in listed if entry["Key"] not in ("started", "mosweb-storage.txt")]
    return {key: client.get_object(Bucket=name, Key=key)["Body"].read() for key in names}


def test_a_backup_of_images_in_s3_comes_back_into_another_bucket(bucket, tmp_path):
    client = boto3.client(
        "s3", endpoint_url=bucket.url, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
    )
    client.create_bucket(Bucket=OTHER)
    origin = Installation(tmp_path / "here", Sqlite(tmp_path / "here/db.sqlite3"))
    origin.env.update(bucket.environment)
    fresh.database(tmp_path / "here")
    fill(origin)
    origin.manage("backup", str(tmp_path / "x.zip"))

    there = Installation(tmp_path / "there", Sqlite(tmp_path / "there/db.sqlite3"), secret="another key")
    options = json.loads(bucket.environment["MOSWEB_IMAGE_STORAGE_OPTIONS"])
    there.env.update(bucket.environment)
    there.env["MOSWEB_IMAGE_STORAGE_OPTIONS"] = json.dumps({**options, "bucket_name": OTHER})
    there.manage("restore", str(tmp_path / "x.zip"))

    before, after = objects(client, options["bucket_name"]), objects(client, OTHER)
    assert len(before) > 6
    assert after == before
    assert there.files() == {}, "nothing may lie on the disk of a site that has a bucket"
    assert there.table("studies_rating") == origin.table("studies_rating")
    assert len(there.table("studies_rating")) == 4
    assert "all is well" in there.manage("verify")
