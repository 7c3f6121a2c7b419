"""A certificate that serves, and each way in which one does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub_config.machine.certificate import BadCertificate, ends_soon, valid_until

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def pem(
    days: int = 90, password: bytes | None = None, key: ec.EllipticCurvePrivateKey | None = None
) -> bytes:
    signer = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "radlab.test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=365))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(signer, hashes.SHA256())
    )
    lock = serialization.BestAvailableEncryption(password) if password else None
    private = (key or signer).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        lock or serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def test_key_and_certificate_in_one_file_serve(tmp_path: Path) -> None:
    path = tmp_path / "site.pem"
    path.write_bytes(pem(days=90))
    until = valid_until(path, NOW)
    assert until == NOW + timedelta(days=90)
    assert not ends_soon(until, NOW)
    assert ends_soon(until, NOW + timedelta(days=77))


WRONG = {
    "ended": pem(days=-1),
    "key with a password": pem(password=b"secret"),
    "key of another certificate": pem(key=ec.generate_private_key(ec.SECP256R1())),
    "certificate alone": pem()[pem().index(b"-----BEGIN CERTIFICATE") :],
    "no PEM at all": b"certificate",
    "empty": b"",
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG.keys())
def test_what_cannot_serve_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "site.pem"
    path.write_bytes(content)
    with pytest.raises(BadCertificate, match=r"site\.pem.*(one PEM file|Renew)"):
        valid_until(path, NOW)
