"""A throw-away certificate authority: emulated services speak HTTPS, since the SDKs send tokens by nothing else."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """Certificates for loopback, and who must trust them."""

    bundle: Path
    """This one alone: nobody here talks to others, and to read every public one takes each process 20 ms."""
    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """A new authority and one certificate, in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        own = authority.issue_cert("127.0.0.1", "localhost")
        made = cls(folder / "authorities.pem", folder / "certificate.pem", folder / "key.pem")
        authority.cert_pem.write_to_path(made.bundle)
        made.certificate.write_bytes(b"".join(each.bytes() for each in own.cert_chain_pems))
        made.key.write_bytes(own.private_key_pem.bytes())
        return made

    def server_context(self) -> ssl.SSLContext:
        """What a server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def environment(self) -> dict[str, str]:
        """What a process needs to trust it."""
        return self.trusting(self.bundle)

    @staticmethod
    def trusting(bundle: str | Path) -> dict[str, str]:
        """The same, with a copy of the bundle."""
        return {"SSL_CERT_FILE": str(bundle), "REQUESTS_CA_BUNDLE": str(bundle)}
