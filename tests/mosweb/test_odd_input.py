"""Whatever stands in a header, what reads it before Django answers and does not raise."""

from hypothesis import given
from hypothesis import strategies as st

from mosweb.client import plain_address

HEADER = st.text(st.characters(max_codepoint=255))


@given(HEADER | st.from_regex(r'"?\[?[0-9a-f:.%]*\]?(:[0-9]+)?"?'))
def test_an_address_is_found_or_not(text):
    found = plain_address(text)
    assert found is None or plain_address(found) == found


@given(HEADER | st.from_regex(r"[a-z]+/[a-z]+(; ?[a-z]+\*?=.*)*"))
def test_a_type_of_content_is_utf_8_or_not(text):
    from mosweb.wsgi import _is_utf_8  # looks for the static files as soon as it is imported

    assert _is_utf_8(text) in (True, False)
