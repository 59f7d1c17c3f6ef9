# Copyright (c) 2026, onebox.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the command line and prints what happened."""

from __future__ import annotations

import argparse
from pathlib import Path

import docker
import requests

from lab import api
from lab.progress import Progress
from lab.settings import LabError
from lab.vps import DISTROS, Options, parse_publish


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    progress = Progress()
    try:
        options.run(options, progress)
    except (LabError, docker.errors.DockerException, requests.exceptions.RequestException) as error:
        progress.line(f"error: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    description = "The test lab: an engine, a registry with every image, and VPSes."
    parser = argparse.ArgumentParser(prog="python -m lab", description=description)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    up = commands.add_parser("up", help="have an engine, the registry and all images")
    up.set_defaults(run=_up)

    vps = commands.add_parser("vps", help="make or destroy a VPS").add_subparsers(metavar="ACTION", required=True)
    create = vps.add_parser("create", help="make a VPS, or start the one that is there, and wait until it answers")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--distro", choices=DISTROS, default=Options.distro)
    create.add_argument("--memory-mib", type=int, default=Options.memory_mib, metavar="N")
    create.add_argument("--cpus", type=int, default=Options.cpus, metavar="N")
    create.add_argument(
        "--publish", action="append", default=[], metavar="[HOSTPORT:]PORT", help="open a port on 127.0.0.1, as 22 is"
    )
    create.add_argument("--inventory", type=Path, metavar="FILE", help="write an Ansible inventory here")
    create.add_argument("--docker-apt", action="store_true", help="install Docker from the lab's apt repository")
    create.set_defaults(run=_create)
    destroy = vps.add_parser("destroy", help="remove a VPS and its disk")
    destroy.add_argument("name", metavar="NAME")
    destroy.set_defaults(run=_destroy)

    build = commands.add_parser("build", help="build a directory with a Dockerfile, for VPSes to pull")
    build.add_argument("directory", type=Path, metavar="DIR")
    build.add_argument("tag", metavar="NAME:TAG")
    build.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    build.set_defaults(run=_build)

    image = commands.add_parser("image", help="have images that are made when first asked for")
    image.add_argument("names", nargs="+", metavar="NAME:TAG")
    image.set_defaults(run=_image)

    apt_repository = commands.add_parser("apt-repo", help="serve the lab's own apt repository, laid out like Docker's")
    apt_repository.set_defaults(run=_apt_repository)

    status = commands.add_parser("status", help="say what stands")
    status.set_defaults(run=_status)

    clean = commands.add_parser("clean", help="remove containers, volumes and networks")
    clean.add_argument("--all", action="store_true", help="also images, the cache, and what the lab installed")
    clean.set_defaults(run=_clean)
    return parser


def _up(options: argparse.Namespace, progress: Progress) -> None:
    api.up(progress)
    progress.line("the lab is up")


def _create(options: argparse.Namespace, progress: Progress) -> None:
    publish = dict(parse_publish(text) for text in options.publish)
    wanted = Options(distro=options.distro, memory_mib=options.memory_mib, cpus=options.cpus, publish=publish)
    if options.docker_apt:
        api.serve_apt_repository(progress)
    vps = api.create(options.name, wanted, progress)
    if options.inventory:
        vps.write_inventory(options.inventory, docker_apt=options.docker_apt)
    progress.line(f"VPS {vps.name}: {', '.join(f'{port} is 127.0.0.1:{host}' for port, host in vps.ports.items())}")


def _destroy(options: argparse.Namespace, progress: Progress) -> None:
    api.destroy(options.name)
    progress.line(f"VPS {options.name} is gone")


def _build(options: argparse.Namespace, progress: Progress) -> None:
    arguments = dict(text.partition("=")[::2] for text in options.build_arg)
    print(api.build(options.directory, options.tag, arguments, progress))


def _image(options: argparse.Namespace, progress: Progress) -> None:
    api.ensure_images(options.names, progress)


def _apt_repository(options: argparse.Namespace, progress: Progress) -> None:
    print(api.serve_apt_repository(progress))


def _status(options: argparse.Namespace, progress: Progress) -> None:
    print("\n".join(api.status()))


def _clean(options: argparse.Namespace, progress: Progress) -> None:
    api.clean(everything=options.all, progress=progress)
