"""TLS files as they must be before a server is started with them."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from packshot.errors import ServingError
from packshot.serving.options import ServerConfig

try:
    from cryptography import x509
except ImportError as error:
    raise ImportError("the server needs cryptography: pip install 'packshot[server]'") from error

_RENEW = "docker/tls/make_test_certificates.sh makes new ones for tests"


def certificate_problems(
    config: ServerConfig, now: datetime.datetime | None = None
) -> list[ServingError]:
    """Certificates that are missing, not PEM, out of date, or of another key.

    Args:
        config: The server's configuration.
        now: The time to judge by; by default the present.
    """
    tls = config.tls
    if tls is None:
        return []
    moment = now or datetime.datetime.now(datetime.timezone.utc)
    problems = _date_problems(tls.certificate, "certificate", moment)
    if tls.client_authority is not None:
        problems += _date_problems(tls.client_authority, "client authority", moment)
    return problems or _key_problems(tls.certificate, tls.key)


def _date_problems(path: Path, what: str, now: datetime.datetime) -> list[ServingError]:
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        return [ServingError(f"the {what} {path} cannot be read: {error.strerror or error}.")]
    except ValueError as error:
        return [ServingError(f"the {what} {path} is not a PEM certificate: {error}.")]
    problems = []
    for certificate in chain:
        name = certificate.subject.rfc4514_string()
        if certificate.not_valid_after_utc < now:
            problems.append(
                ServingError(
                    f"the {what} {path} ({name}) expired on "
                    f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: no client would "
                    f"accept it. Put a renewed one in its place ({_RENEW})."
                )
            )
        elif certificate.not_valid_before_utc > now:
            problems.append(
                ServingError(
                    f"the {what} {path} ({name}) is valid from "
                    f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC only, and it is "
                    f"{now:%Y-%m-%d %H:%M} UTC here. Check this machine's clock."
                )
            )
    return problems


def _key_problems(certificate: Path, key: Path) -> list[ServingError]:
    try:
        # An encrypted key would otherwise ask for its password on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: b"")
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        return [
            ServingError(
                f"the key {key} cannot be used with the certificate {certificate}: {reason}. "
                "They must belong together, and the key be PEM without a password."
            )
        ]
    except OSError as error:
        return [ServingError(f"the key {key} cannot be read: {error.strerror or error}.")]
    return []
