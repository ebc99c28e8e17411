import json
import stat

from mosweb import paths
from tests.mosweb.test_settings import manage, setting

PG = "postgres://someone@db.example/study"


def options(tmp_path, **environment):
    return setting(tmp_path, "DATABASES", **environment)["DATABASES"]["default"]["OPTIONS"]


def test_behind_a_pooler_nothing_is_prepared_and_no_cursor_stays_open(tmp_path):
    database = setting(tmp_path, "DATABASES", DATABASE_URL=PG)["DATABASES"]["default"]
    assert database["OPTIONS"]["prepare_threshold"] is None
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True


def test_options_of_the_url_win_over_the_variables_and_those_over_ours(tmp_path):
    given = json.dumps({"prepare_threshold": 5, "application_name": "variable", "connect_timeout": 3})
    found = options(tmp_path, DATABASE_URL=PG + "?application_name=url&prepare_threshold=2", MOSWEB_DB_OPTIONS=given)
    assert found == {
        "server_side_binding": True,
        "prepare_threshold": 2,
        "application_name": "url",
        "connect_timeout": 3,
    }
    assert options(tmp_path, DATABASE_URL=PG + "?prepare_threshold=none", MOSWEB_DB_OPTIONS=given)[
        "prepare_threshold"
    ] is None


def test_sqlite_keeps_its_own_options_beside_those_given(tmp_path):
    found = options(tmp_path, MOSWEB_DB_OPTIONS='{"timeout": 5}')
    assert found["timeout"] == 5
    assert found["transaction_mode"] == "IMMEDIATE"


def test_nothing_under_var_is_for_strangers_whatever_the_shells_umask(tmp_path):
    var = tmp_path / "var"
    var.mkdir(mode=0o755)
    (var / "images").mkdir()
    done = manage(var, "migrate", "-v0", preexec_fn=_open_to_all)
    assert done.returncode == 0, done.stderr
    assert manage(var, "collectstatic", "--no-input", "-v0", preexec_fn=_open_to_all).returncode == 0
    save = "from django.core.files.base import ContentFile as C; from django.core.files.storage import default_storage"
    code = f"{save}; default_storage.save('stimuli/a/b.png', C(b'x'))"
    assert manage(var, "shell", "--no-imports", "-c", code, preexec_fn=_open_to_all).returncode == 0
    written = [path for path in var.rglob("*") if path.name != "images"]
    assert {"db.sqlite3", "secret_key", "b.png", "staticfiles.json"} <= {path.name for path in written}
    assert [path for path in [var, *written] if stat.S_IMODE(path.stat().st_mode) & 0o027] == []


def _open_to_all() -> None:
    import os

    os.umask(0)


def test_a_stricter_umask_stays(tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr(paths.os, "umask", lambda mask: found.append(mask) or 0o077)
    paths.keep_strangers_out(tmp_path / "none")
    assert found == [0o077, 0o077]
