"""What every transport does with an answer's content coding: undo it, within a bound."""

import zlib

_GZIP_OR_ZLIB = 47
_RAW_DEFLATE = -15


class UndecodableError(ValueError):
    """The body is not what its Content-Encoding says, or would be too long; a transport tells it its own way."""


def decoded(body: bytes, content_encoding: str, *, limit: int) -> bytes:
    """Return the body without its content coding (RFC 9110 section 8.4), never inflating it past *limit* bytes.

    We ask for none, but some proxies compress all the same, and losing a rotated refresh token over it is no option.

    Raises:
        UndecodableError: Another coding, damaged or cut data, or more than *limit* bytes.
    """
    coding = content_encoding.strip().lower()
    if coding in {"", "identity"} or not body:
        return body
    if coding in {"gzip", "x-gzip"}:
        return _inflated(body, _GZIP_OR_ZLIB, limit)
    if coding == "deflate":
        # RFC 9110 section 8.4.1.2: zlib's header belongs there, and some servers leave it out.
        zlib_header = body[0] & 0x0F == zlib.DEFLATED
        return _inflated(body, _GZIP_OR_ZLIB if zlib_header else _RAW_DEFLATE, limit)
    msg = "it came in a content coding that we did not ask for"
    raise UndecodableError(msg)


def _inflated(body: bytes, wbits: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error:
        msg = "its body is not what its Content-Encoding says"
        raise UndecodableError(msg) from None
    if len(plain) > limit:
        msg = f"it is longer than {limit} bytes"
        raise UndecodableError(msg)
    if not inflater.eof:
        msg = "its compressed body was cut off"
        raise UndecodableError(msg)
    return plain
