"""What is refused before Django sees it; the pages behind it are asked for in the other tests."""

import pytest
from django.test import RequestFactory

FORM = "application/x-www-form-urlencoded"
UNREADABLE = ["utf-7", "utf-16", "idna", "hex", "latin-1", "no-such", "*", "", "utf-8\0", "utf8"]


@pytest.fixture
def status():
    from mosweb.wsgi import application  # looks for the static files as soon as it is imported

    def of(content_type: str) -> int:
        said = []
        environ = RequestFactory()._base_environ(
            PATH_INFO="/no/such/", QUERY_STRING="next=%2Bab", REQUEST_METHOD="POST", CONTENT_TYPE=content_type
        )
        for _ in application(environ, lambda answer, headers: said.append(int(answer[:3]))):
            pass
        return said[0]

    return of


@pytest.fixture(autouse=True)
def _static_files(settings, tmp_path):
    (tmp_path / "static").mkdir(exist_ok=True)
    settings.STATIC_ROOT = tmp_path / "static"


@pytest.mark.parametrize("charset", UNREADABLE)
@pytest.mark.parametrize("kind", [FORM, "multipart/form-data; boundary=x", "text/plain"])
def test_content_in_another_encoding_is_refused(status, kind, charset):
    assert status(f"{kind}; charset={charset}") == 400


@pytest.mark.parametrize("written", ["utf-8''a%00", "no-such''a%00", "hex''a%00", "utf-7''+A", "''"])
def test_an_encoding_in_extended_notation_is_refused(status, written):
    assert status(f"text/plain; charset*={written}") == 400


@pytest.mark.django_db
@pytest.mark.parametrize("said", [f"{FORM}; charset=UTF-8", f'{FORM}; charset="utf-8"', FORM, "", ";;=", "\xe9"])
def test_utf_8_and_whatever_is_said_beside_it_goes_on_to_the_site(status, said):
    assert status(said) in (404, 403)
