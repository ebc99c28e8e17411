"""503 instead of 500, request ids, and logs that say an outage in lines."""

import json
import logging
import queue
import sys
from pathlib import Path

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import get_resolver

from mosweb.log_filters import Repeats, without_tokens
from mosweb.log_format import ErrorReporter, Json
from mosweb.outages import Outages
from mosweb.request_ids import AddRequestId, request_ids
from studies.storage.guard import StorageUnavailable

REPORTED: "queue.Queue[logging.LogRecord]" = queue.Queue()


def report(record: logging.LogRecord) -> None:
    REPORTED.put(record)
    raise RuntimeError("a reporter that fails is no failure of the site")


@pytest.mark.parametrize("error", [StorageUnavailable("it is away"), OperationalError("server closed the\nconnection")])
@pytest.mark.parametrize(
    ("accept", "kind"), [("text/html,*/*", "text/html; charset=utf-8"), ("*/*", "application/json")]
)
def test_what_is_away_is_answered_503_in_the_askers_format_and_logged_in_one_line(error, accept, kind, caplog):
    site = Outages(lambda request: site.process_exception(request, error))
    answer = site(RequestFactory().get("/studies/", headers={"Accept": accept}))
    assert (answer.status_code, answer["Retry-After"], answer["Content-Type"]) == (503, "5", kind)
    [record] = caplog.records
    assert record.exc_info is None
    assert "\n" not in record.getMessage()


def test_an_error_of_the_sites_own_stays_one():
    assert Outages(HttpResponse).process_exception(RequestFactory().get("/"), ValueError()) is None


@pytest.mark.parametrize(
    ("proxies", "sent", "taken"),
    [(1, "abc-123456", True), (0, "abc-123456", False), (1, "short", False), (1, "with space and\ttab", False)],
)
def test_a_proxys_number_is_taken_over_where_there_is_a_proxy(settings, proxies, sent, taken):
    settings.PROXIES = proxies
    seen = []

    def view(request):
        record = logging.makeLogRecord({})
        AddRequestId().filter(record)
        seen.append(record.request_id)
        return HttpResponse()

    answers = [request_ids(view)(RequestFactory().get("/", headers={"X-Request-ID": sent})) for _ in range(2)]
    assert [answer["X-Request-ID"] for answer in answers] == seen
    assert (seen == [sent, sent]) is taken
    assert taken or seen[0] != seen[1]


def test_a_json_line_has_what_a_program_needs_and_no_token():
    try:
        raise LookupError("no answer for /image/secret-token")
    except LookupError:
        record = logging.LogRecord("studies", logging.ERROR, "x.py", 1, "asked %d times", (3,), sys.exc_info())
    record.request_id = "abc"
    line = Json().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["level"], found["logger"], found["message"], found["request"]) == (
        "ERROR", "studies", "asked 3 times", "abc")  # fmt: skip
    assert found["error"].endswith("LookupError: no answer for /image/...")
    assert "secret-token" not in line


def test_the_same_is_said_once_in_ten_seconds_with_how_often_it_was_kept_back():
    now = [0.0]
    repeats = Repeats(now=lambda: now[0])

    def said(text: str, level: int = logging.WARNING) -> str | None:
        record = logging.LogRecord("studies", level, "x.py", 1, text, (), None)
        return record.getMessage() if repeats.filter(record) else None

    assert said("no answer within 3 s") == "no answer within 3 s"
    for second in range(1000):
        now[0] = second / 101
        assert said(f"no answer within {second} s") is None
    assert said("another matter") == "another matter"
    assert said("no answer within 3 s", logging.INFO) is not None
    now[0] = 10.5
    assert said("no answer within 3 s") == "no answer within 3 s (1000 more of these were not logged)"


def test_a_reporter_gets_errors_and_its_own_failure_ends_nothing():
    handler = ErrorReporter("tests.mosweb.test_outages.report")
    for number in range(2):
        handler.handle(logging.LogRecord("studies", logging.ERROR, "x.py", 1, "number %d", (number,), None))
    assert [REPORTED.get(timeout=10).message for _ in range(2)] == ["number 0", "number 1"]


def test_every_address_that_holds_a_token_is_logged_without_it_and_named_for_other_proxies():
    known = get_resolver().reverse_dict
    ways = [way for name in list(known) if isinstance(name, str) for way in known.getlist(name)]
    with_token = [text for possibilities, *_ in ways for text, names in possibilities if "token" in names]
    assert len(with_token) >= 8
    operations = Path(__file__).resolve().parents[2].joinpath("OPERATIONS.md").read_text()
    (warned,) = [part for part in operations.split("\n\n") if "Another proxy than nginx must not log" in part]
    for text in with_token:
        address = "/" + text % {"token": "SECRET-1", "what": "greys"}
        assert "SECRET-1" not in without_tokens(f"Not Found: {address}"), address
        assert f"`{address.partition('SECRET-1')[0]}`" in warned, address
