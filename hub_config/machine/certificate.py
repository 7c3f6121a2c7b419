"""The one PEM file that makes the public port HTTPS: whether it serves, and until when."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from hub_config import clock
from hub_config.errors import BadInput

_SOON = timedelta(days=14)


class BadCertificate(BadInput):
    """The certificate file cannot serve."""

    code = "bad_certificate"


def valid_until(path: Path, now: datetime) -> datetime:
    """When the certificate ends; BadCertificate where key and certificate cannot serve now."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=_no_password)
        first = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise BadCertificate(
            "The certificate {path} cannot serve: {reason}.",
            given=str(path),
            allowed="one PEM file: private key without password, then certificate, then chain",
            do="Put the private key (without a password) and the certificate chain into one PEM "
            "file: cat key.pem fullchain.pem > radlab.pem",
            path=path,
            reason=getattr(error, "reason", None) or str(error) or "it is no PEM",
        ) from error
    if first.not_valid_after_utc <= now:
        raise BadCertificate(
            "The certificate {path} ended on {ended}.",
            given=str(path),
            do="Renew it, then run `./radlab up` again.",
            path=path,
            ended=clock.to_iso(first.not_valid_after_utc),
        )
    return first.not_valid_after_utc


def ends_soon(until: datetime, now: datetime) -> bool:
    """Whether it is time to renew."""
    return until - now < _SOON


def _no_password() -> bytes:
    # Without this OpenSSL would ask on the terminal, which a service does not have.
    raise ValueError("its private key has a password")
