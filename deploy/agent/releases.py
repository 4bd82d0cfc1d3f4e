"""Keys of releases, and a folder of signed releases for the updates of agents (The Update Framework).

There are two kinds of keys; neither belongs on a server. The *root* keys sign the list of the other keys and are needed
again only to change one, so they may be kept offline. The *release* key signs each release and, every few weeks, that
the list of releases is current. Source: https://theupdateframework.github.io/specification/latest/
"""

import hashlib
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

PASSPHRASE_VARIABLE = "THREEDANCE_RELEASE_PASSPHRASE"  # noqa: S105  # a name
ROOT_YEARS, RELEASE_DAYS = 10, 90
"""Validity of a root and of a list of releases. After that agents take no update until it is signed again."""
RELEASE_KEY = "release.pem"
RELEASE_ROLES = (Targets.type, Snapshot.type, Timestamp.type)
PACKAGE = "threedance-agent.deb"


class ReleaseError(Exception):
    """A command failed; the message gives the reason and what to do."""


class Keys:
    """A folder of key files: `root-1.pem` and so on, and `release.pem`. Some of them may be kept elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, name: str) -> CryptoSigner:
        """Creates a key, encrypted if a passphrase is set.

        Raises:
            ReleaseError: a key of that name exists.
        """
        path = self.folder / name
        key = Ed25519PrivateKey.generate()
        secret = os.environ.get(PASSPHRASE_VARIABLE, "").encode()
        locked: KeySerializationEncryption = BestAvailableEncryption(secret) if secret else NoEncryption()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ReleaseError(f"{path} exists; keys are never overwritten") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        return CryptoSigner(key)

    def roots(self) -> list[CryptoSigner]:
        """Returns the root keys in the folder."""
        return [self._load(path) for path in sorted(self.folder.glob("root-*.pem"))]

    def release(self) -> CryptoSigner:
        """Returns the release key.

        Raises:
            ReleaseError: it is missing, or the passphrase is wrong.
        """
        return self._load(self.folder / RELEASE_KEY)

    def _load(self, path: Path) -> CryptoSigner:
        secret = os.environ.get(PASSPHRASE_VARIABLE, "").encode() or None
        try:
            key = load_pem_private_key(path.read_bytes(), secret)
        except OSError as error:
            raise ReleaseError(f"{path} cannot be read: {error.strerror}; use the folder of keys") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ReleaseError(f"{path} cannot be opened ({error}); set {PASSPHRASE_VARIABLE}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ReleaseError(f"{path} is no key of `keys`")
        return CryptoSigner(key)


def make_keys(folder: Path, *, roots: int = 1, threshold: int = 1) -> Path:
    """Creates root keys and a release key, and returns `root.json`, which the package contains.

    Raises:
        ReleaseError: keys exist already, or the threshold cannot be met.
    """
    if not 1 <= threshold <= roots:
        raise ReleaseError(f"{threshold} of {roots} root keys cannot be asked for")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.glob("*.pem")):
        raise ReleaseError(f"{folder} holds keys already; take an empty folder")
    keys = Keys(folder)
    root = Root(expires=_in_days(365 * ROOT_YEARS), consistent_snapshot=True)
    signers = [keys.make(f"root-{number}.pem") for number in range(1, roots + 1)]
    for signer in signers:
        root.add_key(signer.public_key, Root.type)
    root.roles[Root.type].threshold = threshold
    release = keys.make(RELEASE_KEY)
    for role in RELEASE_ROLES:
        root.add_key(release.public_key, role)
    return _sign_root(root, signers, folder)


class ReleaseFolder:
    """A folder of releases: `metadata` and `targets`, plain files that any web server may serve.

    Each write is atomic for readers: new files first, and last the one that refers to them.
    """

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._metadata = folder / "metadata"
        self._targets = folder / "targets"
        self._keys = keys

    def publish(self, package: Path) -> str:
        """Signs a package as the newest for its platform, and returns its version.

        Raises:
            ReleaseError: it is not a package of the agent, not newer than the published one, or a key is missing.
        """
        version, platform = _described(package)
        targets = self._newest(Targets.type) or Metadata(Targets())
        name = f"{platform}/{PACKAGE}"
        if (before := targets.signed.targets.get(name)) is not None:
            old = str((before.custom or {}).get("version"))
            if not _is_newer(version, old):
                raise ReleaseError(f"{old} is published for {platform} already; {version} is not newer")
        data = package.read_bytes()
        target = TargetFile.from_data(name, data, ["sha256"])
        target.unrecognized_fields["custom"] = {"version": version}
        place = self._targets / platform / f"{hashlib.sha256(data).hexdigest()}.{PACKAGE}"
        _write(place, data)
        targets.signed.targets[name] = target
        self._sign(targets)
        return version

    def refresh(self) -> datetime:
        """Signs the list of releases again, and returns until when it is valid.

        Raises:
            ReleaseError: nothing is published yet, or a key is missing.
        """
        targets = self._newest(Targets.type)
        if targets is None:
            raise ReleaseError("nothing is published here yet; publish a package first")
        return self._sign(targets)

    def rotate(self, *, new_keys: Path) -> Path:
        """Creates a release key in `new_keys` and replaces the old one by it, signed by the root keys.

        Returns:
            The new `root.json`, in `new_keys`, for packages from now on. Installed agents follow by themselves.

        Raises:
            ReleaseError: nothing is published yet, or there are too few root keys.
        """
        current = self._newest_root()
        if current is None:
            raise ReleaseError("nothing is published here yet; make new keys instead")
        root, signers = current.signed, self._keys.roots()
        # Checked before a key is created, so that a retry with all root keys does not find it in the way.
        needed, known = root.roles[Root.type].threshold, root.roles[Root.type].keyids
        here = sum(signer.public_key.keyid in known for signer in signers)
        if here < needed:
            raise ReleaseError(f"{needed} of the root keys are needed, {here} are here")
        new_keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        release = Keys(new_keys).make(RELEASE_KEY)
        for role in RELEASE_ROLES:
            for key_id in list(root.roles[role].keyids):
                root.revoke_key(key_id, role)
            root.add_key(release.public_key, role)
        root.version += 1
        root.expires = _in_days(365 * ROOT_YEARS)
        path = _sign_root(root, signers, new_keys)
        _write(self._metadata / f"{root.version}.root.json", path.read_bytes())
        self._keys = Keys(new_keys)
        self.refresh()
        return path

    def _sign(self, targets: Metadata[Targets]) -> datetime:
        root = self._root()
        signer = self._keys.release()
        if signer.public_key.keyid not in root.signed.roles[Targets.type].keyids:
            raise ReleaseError(
                "this release key is not the one that agents trust; use the folder with that key"
            )
        expires = _in_days(RELEASE_DAYS)
        snapshot, timestamp = self._newest(Snapshot.type), self._newest(Timestamp.type)
        if timestamp is None:
            snapshot, timestamp = Metadata(Snapshot()), Metadata(Timestamp())
        else:
            for metadata in (targets, snapshot, timestamp):
                metadata.signed.version += 1
        snapshot.signed.meta["targets.json"] = MetaFile(targets.signed.version)
        timestamp.signed.snapshot_meta = MetaFile(snapshot.signed.version)
        for metadata in (targets, snapshot, timestamp):
            metadata.signed.expires = expires
            metadata.sign(signer)
        self._put(f"{targets.signed.version}.targets.json", targets)
        self._put(f"{snapshot.signed.version}.snapshot.json", snapshot)
        self._put("timestamp.json", timestamp)
        return expires

    def _root(self) -> Metadata[Root]:
        root = self._newest_root()
        if root is not None:
            return root
        try:
            first = Metadata[Root].from_bytes((self._keys.folder / "root.json").read_bytes())
        except (OSError, RepositoryError) as error:
            raise ReleaseError(f"{self._keys.folder} holds no root.json of `keys`") from error
        self._put(f"{first.signed.version}.root.json", first)
        return first

    def _newest_root(self) -> Metadata[Root] | None:
        numbers = [int(path.name.split(".")[0]) for path in self._metadata.glob("*.root.json")]
        return (
            Metadata[Root].from_bytes((self._metadata / f"{max(numbers)}.root.json").read_bytes())
            if numbers
            else None
        )

    def _newest(self, role: str) -> Any:
        """Returns the metadata of `role` that `timestamp.json` refers to; None if nothing is published."""
        try:
            timestamp = Metadata[Timestamp].from_bytes((self._metadata / "timestamp.json").read_bytes())
        except OSError:
            return None
        if role == Timestamp.type:
            return timestamp
        number = timestamp.signed.snapshot_meta.version
        snapshot = Metadata[Snapshot].from_bytes((self._metadata / f"{number}.snapshot.json").read_bytes())
        if role == Snapshot.type:
            return snapshot
        number = snapshot.signed.meta["targets.json"].version
        return Metadata[Targets].from_bytes((self._metadata / f"{number}.targets.json").read_bytes())

    def _put(self, name: str, metadata: Metadata[Any]) -> None:
        _write(self._metadata / name, metadata.to_bytes(JSONSerializer(compact=True)))


def platform_of(architecture: str, python: str) -> str:
    """Returns the platform of a package."""
    return f"{architecture}/{python}"


def _sign_root(root: Root, signers: list[CryptoSigner], folder: Path) -> Path:
    metadata = Metadata(root)
    for signer in signers:
        metadata.sign(signer, append=True)
    metadata.verify_delegate(Root.type, metadata)
    path = folder / "root.json"
    path.write_bytes(metadata.to_bytes(JSONSerializer(compact=True)))
    return path


def _described(package: Path) -> tuple[str, str]:
    def ask(*arguments: str) -> str:
        asked = subprocess.run(
            ["dpkg-deb", *arguments], capture_output=True, text=True, timeout=300, check=False
        )
        if asked.returncode:
            raise ReleaseError(f"{package} is no Debian package: {asked.stderr.strip()}")
        return asked.stdout.strip()

    if ask("--field", str(package), "Package") != "threedance-agent":
        raise ReleaseError(f"{package} is no package of the agent")
    python = re.search(r"python3\.\d+", ask("--field", str(package), "Depends"))
    if python is None:
        raise ReleaseError(f"{package} names no Python that it depends on")
    if "/usr/share/threedance-agent/root.json" not in ask("--contents", str(package)):
        raise ReleaseError(
            f"{package} contains no keys: an agent with it would never take another update; "
            "build it with `--root KEYS/root.json`"
        )
    architecture = ask("--field", str(package), "Architecture")
    return ask("--field", str(package), "Version"), platform_of(architecture, python[0])


def _is_newer(version: str, than: str) -> bool:
    asked = ["dpkg", "--compare-versions", version, "gt", than]
    return subprocess.run(asked, check=False, timeout=30, capture_output=True).returncode == 0


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(data)
    draft.replace(path)


def _in_days(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
