"""A browser without a screen: pages with their forms and data, cookies, and a connection that can be lost."""

import contextlib
import http.client
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

SECONDS = 60
# As the page's script waits: doubling, to 15 s.
FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0
_COOKIE = re.compile(r"([^=;\s]+)=([^;]*)")


class GivenUp(Exception):
    """The site did not answer for longer than a person would wait; the message has the last reason."""


@dataclass(frozen=True)
class Answer:
    """What came back. `path` is that of the page in the end, after redirects."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    path: str

    def json(self) -> dict[str, Any]:
        """The body of an answer for scripts; {"code": "stale"} for a page, as the page's script takes it."""
        if not (self.headers.get("Content-Type") or "").startswith("application/json"):
            return {"code": "stale"}
        found: dict[str, Any] = json.loads(self.body)
        return found

    def page(self) -> "Page":
        return Page(self.body.decode())


class Page(HTMLParser):
    """`data`, what the scripts are told; `forms`, by where they are sent: their hidden fields.

    `questions`: what each form asks, by the field's name: the values to choose from, or what is said of the field.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.data: dict[str, Any] = {}
        self.forms: dict[str, dict[str, str]] = {}
        self.questions: dict[str, list[str] | dict[str, str]] = {}
        self._form: dict[str, str] | None = None
        self._in_data = False
        self._json = ""
        self.feed(html)
        if self._json:
            self.data = json.loads(self._json)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if tag == "form" and of.get("method", "").lower() == "post":
            self._form = self.forms.setdefault(of.get("action", ""), {})
        elif tag == "input" and self._form is not None and of.get("type") == "hidden":
            self._form[of["name"]] = of.get("value", "")
        elif tag in ("input", "textarea") and self._form is not None and "name" in of:
            if of.get("type") == "radio":
                values = self.questions.setdefault(of["name"], [])
                if isinstance(values, list):
                    values.append(of["value"])
            else:
                self.questions[of["name"]] = of
        elif tag == "script":
            self._in_data = of.get("id") == "page-data"

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "script":
            self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self._json += data


class Browser:
    """One person's browser at one site. `patience`: seconds for which it asks again where there is no answer."""

    def __init__(self, base: str, *, patience: float = 300.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self.base, self.patience, self._sleep = urlsplit(base), patience, sleep
        self.cookies: dict[str, str] = {}
        self._connection: http.client.HTTPConnection | None = None

    def another_tab(self) -> "Browser":
        """The same cookies, another connection."""
        tab = Browser(self.base.geturl(), patience=self.patience, sleep=self._sleep)
        tab.cookies = self.cookies
        return tab

    def get(self, path: str) -> Answer:
        """Redirects are followed."""
        return self._persist("GET", path, None)

    def post(self, path: str, fields: dict[str, Any]) -> Answer:
        return self._persist("POST", path, fields)

    def post_and_lose(self, path: str, fields: dict[str, Any]) -> None:
        """Send it, and lose the connection before the answer comes."""
        with contextlib.suppress(OSError):
            self._send("POST", path, fields)
        self.close()

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _persist(self, verb: str, path: str, fields: dict[str, Any] | None) -> Answer:
        wait, deadline = FIRST_WAIT, time.monotonic() + self.patience
        while True:
            try:
                answer = self._ask(verb, path, fields)
                reason = f"{answer.status} at {path.split('/')[1]}"
                if answer.status < 500 and answer.status != 429:
                    return answer
            except (OSError, http.client.HTTPException) as error:
                self.close()
                reason = f"{type(error).__name__}: {error}"
            if time.monotonic() + wait > deadline:
                raise GivenUp(reason)
            self._sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _ask(self, verb: str, path: str, fields: dict[str, Any] | None) -> Answer:
        for _ in range(10):
            response = self._send(verb, path, fields).getresponse()
            body = response.read()
            for header in response.headers.get_all("Set-Cookie") or []:
                if found := _COOKIE.match(header):
                    self.cookies[found[1]] = found[2]
            if response.status not in (301, 302, 303):
                return Answer(response.status, response.headers, body, path)
            to = urlsplit(urljoin(self.base.geturl(), response.headers["Location"]))
            if (to.scheme, to.netloc) != (self.base.scheme, self.base.netloc):
                raise GivenUp(f"the site sends its visitors to {to.scheme}://{to.netloc}; give that address")
            verb, path, fields = "GET", to.path + (f"?{to.query}" if to.query else ""), None
        raise GivenUp("the site redirects in a circle")

    def _send(self, verb: str, path: str, fields: dict[str, Any] | None) -> http.client.HTTPConnection:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self.base.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(self.base.hostname or "", self.base.port, timeout=SECONDS)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if fields is not None:
            body = urlencode(fields, doseq=True)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["X-CSRFToken"] = self.cookies.get("csrftoken", "")
            headers["Referer"] = self.base.geturl()
        self._connection.request(verb, path, body=body, headers=headers)
        return self._connection
