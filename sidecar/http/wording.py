"""What parsers complain about, in words for the sender: what is wrong, where, and what to do.

The words of aiohttp, llhttp and msgspec are for those who write parsers, and change with their
versions. A complaint that is not known here gets a sentence without them; the test that provokes
errors in bulk fails for it.
"""

from __future__ import annotations

import re

HEAD_BYTES, MAX_HEADERS = 8190, 128
"""The most bytes of one line of a request's head, and the most header fields."""

NOT_HTTP = "This is not a valid HTTP/1.1 request; send it with an HTTP client."
NOT_CHUNKED = (
    "The body is not in valid chunks: each is its size in hexadecimal digits, CR LF, the data and "
    "CR LF; send it with an HTTP client, or with Content-Length."
)
_HEADS = (
    ("CRLF after version", "The request line does not end with HTTP/1.1 and CR LF; correct it."),
    ("after start line", "The first header field begins with a space; remove it."),
    ("status line", "The version in the request line does not exist; send HTTP/1.1."),
    ("PRI/Upgrade", "This server does not speak HTTP/2; send HTTP/1.1."),
    ("Missing 'Host'", "There is no Host field; send it with the name of this server."),
    ("Duplicate 'Host'", "There is more than one Host field; send it once."),
    ("Too many headers", f"There are more than {MAX_HEADERS} header fields; send fewer."),
    (
        "header token",
        "The name of a header field is not valid, or no colon follows it; correct it.",
    ),
    (
        "after header value",
        "A header field is in several lines, or a line does not end with CR LF.",
    ),
    ("header value char", "A header field has a control character in its value; remove it."),
    ("with Content-Length", "There are Content-Length and Transfer-Encoding; send one of them."),
    ("with Transfer-Encoding", "There are Content-Length and Transfer-Encoding; send one of them."),
    ("Duplicate Content-Length", "There is more than one Content-Length; send it once."),
    ("Duplicate ", "A header field that may be sent once, such as Content-Type, is there twice."),
    ("Content-Length", "Content-Length is not a number of bytes in digits; correct it."),
    ("Transfer-Encoding", "The only Transfer-Encoding is chunked; send it once, and alone."),
    ("chunk", NOT_CHUNKED),
    ("trailer", NOT_CHUNKED),
)
"""A part of a parser's complaint, and what is said instead; the first that fits."""

_TYPES = {
    "array": "a list",
    "object": "an object with fields",
    "str": "a string",
    "bytes": "binary data",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "null": "null",
    "None": "null",
}
_DECODED = (
    (r"Expected `(?P<types>[^`]*)`, got `(?P<type>[^`]*)`", "This takes {types}, not {type}"),
    (r"Expected `\w+` >= (?P<bound>[\d.]+)", "This takes a number from {bound} up"),
    (r"Expected `\w+` <= (?P<bound>[\d.]+)", "This takes a number up to {bound}"),
    (r"Expected `array` of length <= (?P<bound>\d+)", "This list takes {bound} items; split it"),
    (r"Object missing required field `(?P<name>[^`]*)`", "The field {name} is missing; add it"),
    (r"Object contains unknown field `(?P<name>[^`]*)`", "There is no field {name}; remove it"),
    (r"Invalid enum value '(?P<name>.*)'", "The value {name} is not one of those of this field"),
    (r"(Number|Integer value) out of range", "A number is too large; send a smaller one"),
)
_AT = re.compile(r"(?P<why>.*?)(?: - at `(?P<where>.*)`)?", re.DOTALL)
_BYTE = re.compile(r"\((?:byte|position) (\d+)\)")
MOST_QUOTED = 80


def of_head(complaint: str | None) -> str:
    """The sentence for a request that can't be parsed."""
    return next((said for part, said in _HEADS if part in (complaint or "")), NOT_HTTP)


def of_body(complaint: str) -> str:
    """The sentence for a body whose chunks can't be parsed."""
    return next((said for part, said in _HEADS if part in complaint), NOT_CHUNKED)


def of_decoding(error: Exception, body: bytes, encoding: str) -> str:
    """The sentence for a body that is not of its encoding, such as JSON, or not of its shape."""
    if not body:
        return f"The body is empty; send it in {encoding}."
    if isinstance(error, UnicodeDecodeError):
        return "A string in the body is not UTF-8; encode it, or send MessagePack with binary."
    if isinstance(error, RecursionError):
        return "The body has too many levels; send it flatter."
    found = _AT.fullmatch(str(error))
    why, where = (found["why"], found["where"]) if found else ("", None)
    for pattern, sentence in _DECODED:
        if matched := re.fullmatch(pattern, why, re.DOTALL):
            parts = {name: _worded(name, text) for name, text in matched.groupdict().items()}
            return sentence.format(**parts) + (f" - at `{where}`." if where else ".")
    at = _BYTE.search(why)
    place = f" at byte {int(at[1]):,}" if at else ", or not all of it"
    return f"The body is not valid {encoding}{place}; correct it, or send another Content-Type."


def _worded(name: str, text: str) -> str:
    match name:
        case "types" | "type":
            kinds = [_TYPES.get(each.strip(), "something else") for each in text.split("|")]
            return " or ".join(dict.fromkeys(kinds))
        case "bound":
            return f"{float(text):.0f}"
        case _:
            return repr(text[:MOST_QUOTED])
