"""Certificates for tests: one authority that is trusted, one that is not, and what they issued."""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme

LONG_AGO = datetime.datetime(2020, 1, 1)


class Certificates:
    """Files of certificates under a directory; each file of a certificate holds its key too."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._trusted = trustme.CA()
        self._other = trustme.CA()
        self.ca = self._path("ca", self._trusted.cert_pem)
        self.server = self.issue("localhost", "127.0.0.1")
        self.client = self.issue("alice@example.org", common_name="alice", organization="Office")
        self.stranger = self.issue("mallory@example.org", trusted=False)
        self.expired = self.issue("localhost", not_after=LONG_AGO)

    def issue(
        self,
        *names: str,
        trusted: bool = True,
        common_name: str | None = None,
        organization: str | None = None,
        not_after: datetime.datetime | None = None,
    ) -> str:
        """Returns the file of a new certificate."""
        authority = self._trusted if trusted else self._other
        made = authority.issue_cert(
            *names, common_name=common_name, organization_name=organization, not_after=not_after
        )
        count = len(list(self._directory.iterdir()))
        return self._path(f"{count}", made.private_key_and_cert_chain_pem)

    def apart(self) -> tuple[str, str]:
        """Returns the files of a new server certificate and of its key."""
        made = self._trusted.issue_cert("localhost")
        return (
            self._path("certificate", made.cert_chain_pems[0]),
            self._path("key", made.private_key_pem),
        )

    def _path(self, name: str, content: trustme.Blob) -> str:
        path = self._directory / f"{name}.pem"
        content.write_to_path(path)
        return str(path)
