"""A throwaway certificate, for tests that need https on a local port; needs the extra `crypto`."""

import datetime as dt
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def throwaway_tls(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a context for a server that is 127.0.0.1 and *names*, and one for clients that trust it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "throwaway")])
    now = dt.datetime.now(dt.UTC)
    valid_for = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, names)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(valid_for), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # The ssl module takes a private key from a file only.
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder, "throwaway.pem")
        pem.write_bytes(private + certificate)
        server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=certificate.decode("ascii"))
