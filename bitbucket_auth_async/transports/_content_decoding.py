"""Decoding of a response's Content-Encoding, with a size limit, for every transport."""

import zlib

_GZIP_OR_ZLIB = 47
_RAW_DEFLATE = -15


class UndecodableError(ValueError):
    """The body does not match its Content-Encoding, or is too long; transports raise it as a TransportError."""


def decoded(body: bytes, content_encoding: str, *, limit: int) -> bytes:
    """Return the body without its content coding (RFC 9110 section 8.4), inflated to at most *limit* bytes.

    Requests ask for no coding, but some proxies compress anyway, and a rotated refresh token must not be lost to that.

    Raises:
        UndecodableError: An unknown coding, damaged or truncated data, or more than *limit* bytes.
    """
    coding = content_encoding.strip().lower()
    if coding in {"", "identity"} or not body:
        return body
    if coding in {"gzip", "x-gzip"}:
        return _inflated(body, _GZIP_OR_ZLIB, limit)
    if coding == "deflate":
        # RFC 9110 section 8.4.1.2 requires zlib's header, but some servers omit it.
        zlib_header = body[0] & 0x0F == zlib.DEFLATED
        return _inflated(body, _GZIP_OR_ZLIB if zlib_header else _RAW_DEFLATE, limit)
    msg = "its Content-Encoding is not supported"
    raise UndecodableError(msg)


def _inflated(body: bytes, wbits: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error:
        msg = "its body does not match its Content-Encoding"
        raise UndecodableError(msg) from None
    if len(plain) > limit:
        msg = f"it is longer than {limit} bytes"
        raise UndecodableError(msg)
    if not inflater.eof:
        msg = "its compressed body is truncated"
        raise UndecodableError(msg)
    return plain
