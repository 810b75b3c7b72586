"""A certificate authority for one cluster, made by `openssl`, thrown away with it."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError

DAYS = "365"
CURVE = "prime256v1"


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """Issues certificates into one folder."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make the authority in a folder that only its owner reads.

        Raises:
            ClusterError: there is no `openssl`, or it fails.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = cls(folder)
        request = ["req", "-x509", "-new", "-days", DAYS, "-subj", "/CN=cryptosource-cluster"]
        _new_key(authority.own.key)
        _openssl(*request, "-key", authority.own.key, "-out", authority.own.certificate)
        return authority

    @property
    def own(self) -> KeyPair:
        """Return the authority's own certificate and key."""
        return self._pair("ca")

    def signing_key(self) -> Path:
        """Make and return the key that signs service account tokens."""
        path = self.folder / "service-accounts.key"
        _new_key(path)
        return path

    def client(self, name: str, *, user: str, groups: Sequence[str] = ()) -> KeyPair:
        """Issue a certificate that Kubernetes reads as a user and groups."""
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        return self._issue(name, subject, ["extendedKeyUsage=clientAuth"])

    def server(self, name: str, *, user: str, hosts: Sequence[str]) -> KeyPair:
        """Issue a certificate for a server's names and addresses."""
        alternatives = ",".join(_alternative(host) for host in hosts)
        lines = ["extendedKeyUsage=serverAuth,clientAuth", f"subjectAltName={alternatives}"]
        return self._issue(name, f"/CN={user}", lines)

    def _issue(self, name: str, subject: str, extensions: Sequence[str]) -> KeyPair:
        pair, own = self._pair(name), self.own
        request, extension_file = (self.folder / f"{name}.{end}" for end in ("csr", "ext"))
        extension_file.write_text("\n".join(extensions) + "\n")
        _new_key(pair.key)
        _openssl("req", "-new", "-key", pair.key, "-subj", subject, "-out", request)
        signer: list[str | Path] = ["-CA", own.certificate, "-CAkey", own.key, "-CAcreateserial"]
        details: list[str | Path] = [
            "-days",
            DAYS,
            "-extfile",
            extension_file,
            "-out",
            pair.certificate,
        ]
        _openssl("x509", "-req", "-in", request, *signer, *details)
        request.unlink()
        extension_file.unlink()
        return pair

    def _pair(self, name: str) -> KeyPair:
        return KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")


def _alternative(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _new_key(path: Path) -> None:
    path.touch(mode=0o600)
    _openssl("ecparam", "-name", CURVE, "-genkey", "-noout", "-out", path)


def _openssl(*arguments: str | Path) -> None:
    if shutil.which("openssl") is None:
        raise ClusterError("openssl is needed to make the cluster's certificates; install it")
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
