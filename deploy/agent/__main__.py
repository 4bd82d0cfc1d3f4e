"""The agent's package and its releases: `python -m deploy.agent build|keys|publish|refresh|rotate`."""

import argparse
import os
import sys
from pathlib import Path

from deploy.agent.package import ROOT, build
from deploy.agent.releases import RELEASE_DAYS, Keys, ReleaseError, ReleaseFolder, make_keys


def main() -> None:
    """Runs the command and prints where the result is."""
    arguments = _parser().parse_args(sys.argv[1:] or ["build"])
    os.umask(0o022)
    try:
        print(arguments.act(arguments))
    except (ReleaseError, OSError) as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.agent", description=__doc__)
    acts = parser.add_subparsers(required=True)
    act = acts.add_parser("build", help="the Debian package, for this kind of machine and Python")
    act.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    act.add_argument(
        "--root", type=Path, help="root.json of `keys`; without it the agent never updates itself"
    )
    act.set_defaults(act=_build)
    act = acts.add_parser("keys", help="keys for releases; keep the folder off every server")
    act.add_argument("keys", type=Path)
    act.add_argument("--roots", type=int, default=1, help="the number of root keys")
    act.add_argument("--threshold", type=int, default=1, help="how many root keys must sign a change of keys")
    act.set_defaults(act=_keys)
    act = acts.add_parser("publish", help="sign a package as the newest, into a folder of releases")
    act.add_argument("releases", type=Path)
    act.add_argument("package", type=Path)
    act.set_defaults(act=_publish)
    refresh = acts.add_parser("refresh", help=f"sign the list again: it is valid for {RELEASE_DAYS} days")
    refresh.add_argument("releases", type=Path)
    refresh.set_defaults(act=_refresh)
    rotate = acts.add_parser("rotate", help="replace the release key by a new one")
    rotate.add_argument("releases", type=Path)
    rotate.add_argument("--new-keys", type=Path, required=True, help="the folder for it")
    rotate.set_defaults(act=_rotate)
    for one in (act, refresh, rotate):
        one.add_argument("--keys", type=Path, required=True, help="the folder that `keys` created")
    return parser


def _build(arguments: argparse.Namespace) -> str:
    package = build(arguments.folder, root=arguments.root)
    note = "" if arguments.root else "\nwithout --root: this package never updates itself"
    return f"{package}  ({package.stat().st_size / 1e6:.0f} MB){note}"


def _keys(arguments: argparse.Namespace) -> str:
    root = make_keys(arguments.keys, roots=arguments.roots, threshold=arguments.threshold)
    return f"{root} goes into packages; keep the other files of {arguments.keys} off every server"


def _publish(arguments: argparse.Namespace) -> str:
    version = ReleaseFolder(arguments.releases, Keys(arguments.keys)).publish(arguments.package)
    return f"{version} is the newest in {arguments.releases}; {_until(RELEASE_DAYS)}"


def _refresh(arguments: argparse.Namespace) -> str:
    until_at = ReleaseFolder(arguments.releases, Keys(arguments.keys)).refresh()
    return f"the list is valid until {until_at:%Y-%m-%d}; {_until(RELEASE_DAYS)}"


def _rotate(arguments: argparse.Namespace) -> str:
    root = ReleaseFolder(arguments.releases, Keys(arguments.keys)).rotate(new_keys=arguments.new_keys)
    return f"agents trust the new key after their next check for updates; build packages with --root {root} from now on"


def _until(days: int) -> str:
    return f"sign it again (`refresh`) within {days} days"


if __name__ == "__main__":
    main()
