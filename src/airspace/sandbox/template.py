"""The template: a warm interpreter with the rights to enter sandboxes. Its forks become the teams' zygotes.

It reads orders from the spawner alone, holds no secret, and runs no line of a team's code: a fork does, after it gave
up every right. It is replaced now and then, so that not all zygotes share one address layout for ever.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import NoReturn

from setproctitle import setproctitle

from airspace.sandbox import entering, kernel
from airspace.sandbox.messages import Packet, receive
from airspace.sandbox.zygote import NUMBER, Reader, Runner, Work, Zygote


def serve(link: socket.socket, runners: Mapping[str, Runner], read: Reader | None = None) -> NoReturn:
    """Fork a zygote for each order until the spawner closes the link.

    :param runners: kind of work → what a child does with it
    :param read: what a nest does with its file before it forks the tasks that are in it; None for no nests
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries what entered, and the zygotes
    kernel.adopt_orphans()
    seccomp = kernel.SeccompFilter()
    gc.collect()
    gc.freeze()
    kernel.set_dumpable(False)
    link.send(b"warm")
    while True:
        packet = receive(link)
        if packet is None:
            os._exit(0)
        if os.fork() == 0:
            _enter(packet, seccomp, runners, read)
        packet.close()


def _enter(
    packet: Packet, seccomp: kernel.SeccompFilter, runners: Mapping[str, Runner], read: Reader | None
) -> NoReturn:
    walls, inbox, status, *cgroups = packet.descriptors
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        entry = entering.Entry.from_dict(packet.body)
        if entry.walls:
            entering.enter(entry, walls)
            told, telling = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(telling)
                os.read(told, 1)  # until its number is on its way
                _become_zygote(entry, inbox, status, seccomp, runners, cgroups, read)
            os.write(status, NUMBER % pid)  # it does not know itself how the machine numbers it
        else:
            os.write(status, NUMBER % os.getpid())
            _become_zygote(entry, inbox, status, None, runners, cgroups, read)
    except BaseException as error:  # noqa: BLE001  # the end of a process: whoever waits for it is told
        _tell(status, error)
    finally:
        os._exit(0)


def _become_zygote(
    entry: entering.Entry,
    inbox: int,
    status: int,
    seccomp: kernel.SeccompFilter | None,
    runners: Mapping[str, Runner],
    cgroups: Sequence[int],
    read: Reader | None,
) -> NoReturn:
    try:
        setproctitle(f"airspace zygote: {entry.team}")
        entering.become_team(entry, seccomp, (inbox, status), cgroups)
        gc.enable()

        def run(work: Work) -> NoReturn:
            runners[work.kind](work)

        zygote = Zygote(socket.socket(fileno=inbox), run, entry, read)
        os.write(status, b"ready")
        os.close(status)
        zygote.serve()
    except BaseException as error:  # noqa: BLE001  # as above
        _tell(status, error)
    finally:
        os._exit(1)


def _tell(status: int, error: BaseException) -> None:
    with contextlib.suppress(OSError):
        os.write(status, f"{type(error).__name__}: {error}".encode()[:2000])
