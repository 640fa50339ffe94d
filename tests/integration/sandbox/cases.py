"""What every kind of sandbox does: one function a promise."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from airspace.sandbox import cgroups
from airspace.sandbox.errors import SandboxError
from tests.integration.sandbox.house import NAME, House, alone, first_process, forget, is_gone, parent, until


def exit_codes_are_mirrored(house: House) -> None:
    assert house.sh("reds", "echo hello; exit 7") == (7, "hello")
    assert house.sh("reds", "true") == (0, "")
    assert house.sh("reds", "kill -SEGV $$")[0] == -signal.SIGSEGV


def signals_reach_the_whole_group_and_the_handler_runs(house: House) -> None:
    begun = house.begin("reds", "trap 'echo cleaning; exit 3' TERM; sleep 60 & echo ready; wait")
    begun.read(b"ready")
    begun.child.signal(signal.SIGTERM)
    code, said = begun.end()
    assert (code, said) == (3, "cleaning")
    deaf = house.begin("reds", "trap '' TERM INT; echo ready; while :; do sleep 1; done")
    deaf.read(b"ready")
    deaf.child.signal(signal.SIGTERM)
    time.sleep(0.1)
    deaf.child.signal(signal.SIGKILL)
    assert deaf.end()[0] == -signal.SIGKILL


def a_supervisor_that_is_gone_takes_its_work_along(house: House) -> None:
    begun = house.begin("reds", "echo ready; sleep 60")
    begun.read(b"ready")
    pid = begun.child.pid
    begun.child.close()
    until(lambda: is_gone(pid))


def the_environment_is_what_was_given(house: House) -> None:
    _, said = house.sh("reds", "env | grep -v ^_= | sort", environment={"PATH": "/usr/bin:/bin", "A": "1"})
    names = [line.split("=")[0] for line in said.splitlines()]
    assert names == ["A", "HOME", "LOGNAME", "PATH", "PWD", "READ", "TMPDIR", "USER"]


def forty_at_once(house: House) -> None:
    begun = [house.begin("blues", f"sleep 0.2; exit {number}") for number in range(40)]
    assert [each.end()[0] for each in begun] == list(range(40))


def who_is_no_team_is_refused_with_the_fix(house: House) -> None:
    with contextlib.suppress(SandboxError):
        house.sh("greens", "true")
        raise AssertionError
    forget(house)
    assert house.sh("reds", "echo on")[1] == "on"


def what_a_process_used_is_told_when_it_ends(house: House) -> None:
    work = "x = b'x' * (120 << 20)\nsum(range(3_000_000))\nprint('ready', flush=True)"
    large = house.begin("blues", f'exec {sys.executable} -S -c "{work}; import time; time.sleep(60)"')
    large.read(b"ready")
    assert large.child.used is None, "it runs"
    large.child.signal(signal.SIGKILL)
    large.end()
    small, within = house.begin("blues", "true"), house.begin("blues", f'{sys.executable} -S -c "{work}"; exit 3')
    assert (small.end()[0], within.end()[0]) == (0, 3)
    used = [begun.child.used for begun in (large, small, within)]
    assert all(used), used
    for each in (used[0], used[2]):  # also that of a child that it waited for
        assert 120 * 1024 <= each.memory < 300 * 1024, each
        assert each.cpu >= 10, each


def an_idle_sandbox_is_gone(house: House) -> None:
    house.sh("reds", "true")
    until(lambda: not house.client.state())
    assert house.sh("reds", "echo again")[1] == "again"


def stopping_ends_everything_of_the_team(house: House) -> None:
    go = house.layout.storage / "blues" / "go"
    begun = house.begin("reds", "echo ready; sleep 60")
    other = house.begin("blues", f"until [ -e {go} ]; do sleep 0.05; done; echo fine")
    begun.read(b"ready")
    assert house.client.state() == {"blues": 1, "reds": 1}
    house.client.stop("reds")
    house.client.stop("reds")
    assert begun.end()[0] == -signal.SIGKILL
    go.touch()
    assert other.end() == (0, "fine")
    go.unlink()


def a_killed_template_comes_back(house: House) -> None:
    house.client.stop("blues")
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            is_child = f"\nPPid:\t{house.spawner.pid}\n" in (entry / "status").read_text()
            if is_child and b"sandbox.toy" in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
    time.sleep(0.1)
    for _ in range(3):
        with contextlib.suppress(SandboxError):
            assert house.sh("blues", "echo back")[1] == "back"
            return
    raise AssertionError("no template")


EVERYWHERE = (
    exit_codes_are_mirrored,
    signals_reach_the_whole_group_and_the_handler_runs,
    a_supervisor_that_is_gone_takes_its_work_along,
    the_environment_is_what_was_given,
    forty_at_once,
    who_is_no_team_is_refused_with_the_fix,
    what_a_process_used_is_told_when_it_ends,
    an_idle_sandbox_is_gone,
    stopping_ends_everything_of_the_team,
    a_killed_template_comes_back,
)


def only_its_own_can_be_seen_and_changed(house: House) -> None:
    root = house.root
    (house.layout.storage / "blues" / "secret").write_text("blue")
    assert house.sh("reds", f"ls {root} {root}/storage")[1].split() == [
        f"{root}:", "bundles", "storage", f"{root}/storage:", "reds"
    ]  # fmt: skip
    for command in (
        f"cat {root}/storage/blues/secret", f"ls {root}/run", f"cat {root}/sandboxes.json", "cat /etc/shadow",
        f"touch {root}/bundles/reds/dag.py", "touch /usr/x", "touch /etc/x", "touch /x", "touch /dev/x",
        "mknod /tmp/d b 8 0",
        "mount -t tmpfs x /tmp",
        "unshare -U true", "unshare -n true", "chroot / true", "renice -n -5 $$", "su -c true", "hostname x",
        "echo 1 > /proc/sys/kernel/core_pattern", "echo x > /proc/sysrq-trigger", "ls /root/.bashrc /home/*/.bashrc",
    ):  # fmt: skip
        code, said = house.sh("reds", command)
        assert code != 0, (command, said)
    house.sh("reds", "kill -9 1; kill -9 $PPID")
    mine = house.layout.storage / "reds" / "mine"
    assert house.sh("reds", f"cat {root}/bundles/reds/dag.py; echo data > {mine} && cat {mine}")[1] == "passdata"
    if os.getuid() == 0:  # else it is the same user's, and shows nothing but this sandbox
        for path in ("environ", "root/", "cwd/"):
            assert house.sh("reds", f"ls /proc/1/{path} > /dev/null && cat /proc/1/environ")[0] != 0
    status = house.sh("reds", "cat /proc/self/status")[1]
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert house.sh("reds", "ls /proc | grep -c '^[0-9]'")[1] in ("4", "5")  # sleep, zygote, sh, ls, grep
    assert house.sh("reds", "cat /proc/net/dev | grep -c :")[1] == "1"


def data_is_seen_by_consent_only(house: House) -> None:
    news = house.layout.storage / "reds" / "published" / "news"
    (news / "paper").write_text("read all about it")
    assert house.sh("blues", f"cat {news}/paper")[1] == "read all about it"
    for command in (f"touch {news}/x", f"rm {news}/paper", f"ls {house.layout.storage}/reds/secret"):
        assert house.sh("blues", command)[0] != 0, command
    assert house.sh("blues", f"ls {house.layout.storage}/reds")[1] == "published"
    # Without consent any more: the next task finds nothing; one that runs keeps what it was given.
    running = house.begin("blues", f"echo ready; sleep 1; cat {news}/paper")
    running.read(b"ready")
    house.add("reds", house.places["reds"].limits)
    assert house.sh("blues", f"cat {news}/paper")[0] != 0
    assert running.end()[1] == "read all about it"
    house.add("reds", house.places["reds"].limits, {"news": ("blues",)})


def a_link_in_place_of_a_published_folder_shows_nothing(house: House) -> None:
    house.client.stop("blues")
    news = house.layout.storage / "reds" / "published" / "news"
    kept = news.rename(news.with_name("kept"))
    news.symlink_to("/etc")
    try:
        assert house.sh("blues", f"ls {news}/passwd {house.layout.storage}/reds")[0] != 0
        assert house.sh("blues", "echo works")[1] == "works"
    finally:
        news.unlink()
        kept.rename(news)
        house.client.stop("blues")


def a_dead_zygote_loses_no_work(house: House) -> None:
    go = house.layout.storage / "reds" / "go"
    begun = house.begin("reds", f"echo ready; until [ -e {go} ]; do sleep 0.05; done; echo done; exit 5")
    begun.read(b"ready")
    os.kill(parent(begun.child.pid), signal.SIGKILL)
    time.sleep(0.1)
    assert house.sh("reds", "echo another")[1] == "another"
    go.touch()
    code, said = begun.end()
    go.unlink()
    assert said == "done"
    assert begun.child.lost
    assert code == -signal.SIGKILL, "nobody saw how it ended: not for well"


def a_fallen_sandbox_is_told_and_built_again(house: House) -> None:
    house.client.stop("blues")
    begun = house.begin("reds", "echo ready; sleep 60")
    begun.read(b"ready")
    os.kill(first_process(house), signal.SIGKILL)
    assert begun.end()[0] == -signal.SIGKILL
    assert house.sh("reds", "echo again")[1] == "again"


def nothing_outlives_its_task(house: House) -> None:
    house.sh("reds", "(setsid sleep 77 &) ; sleep 78 & exit 0")
    until(lambda: "sleep 7" not in house.sh("reds", "ps ax")[1].replace("sh -c", ""))


def a_team_cannot_hold_up_the_others(house: House) -> None:
    """Its zygote is killed and every newcomer stopped, by a process that the team left running."""
    with alone("slowest"):
        _hold_up_others(house)


def _hold_up_others(house: House) -> None:
    house.client.stop("reds")
    stops = "for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p -gt 3 ] && [ $p != $$ ] && kill -STOP $p; done"
    bad = house.begin("reds", f"echo ready; kill -9 2; while :; do {stops}; done 2>/dev/null")
    bad.read(b"ready")
    time.sleep(0.2)
    slowest = 0.0
    for _ in range(5):
        with contextlib.suppress(SandboxError):
            house.begin("reds", "true", patient=False)
        started = time.monotonic()
        assert house.sh("blues", "echo on")[1] == "on"
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 5, slowest  # a newcomer that says nothing is given up after ten
    bad.child.close()
    house.client.stop("reds")
    assert house.sh("reds", "echo well")[1] == "well"


def a_file_is_read_once_for_many_tasks(house: House) -> None:
    file = house.layout.bundles / "reds" / "dag.py"
    nest = {"file": str(file)}
    token = lambda: house.sh("reds", "sleep 0.02; echo $READ", nest=nest)[1]  # noqa: E731
    assert token() == "none"
    until(lambda: token() != "none")
    first = token()
    assert {token() for _ in range(5)} == {first}
    assert house.sh("reds", "exit 9", nest=nest)[0] == 9
    assert house.sh("reds", "kill -9 $$", nest=nest)[0] == -signal.SIGKILL
    file.write_text("changed")  # the very next task reads it anew
    assert token() == "none"
    until(lambda: token() not in ("none", first))
    # What is running goes on when its nest is killed, and the next task has none.
    go = house.layout.storage / "reds" / "go"
    begun = house.begin("reds", f"echo ready; until [ -e {go} ]; do sleep 0.05; done; echo done", nest=nest)
    begun.read(b"ready")
    os.kill(parent(begun.child.pid), signal.SIGKILL)
    assert house.sh("reds", "echo on", nest=nest)[1] == "on"
    go.touch()
    assert begun.end()[1] == "done"
    go.unlink()
    file.write_text("unfit")
    assert {token() for _ in range(12)} == {"none"}
    file.write_text("pass")


def limits_hold(house: House) -> None:
    house.client.stop("reds")
    _, said = house.sh("reds", "head -c 20000000 /dev/zero > /tmp/big; stat -c %s /tmp/big; rm /tmp/big")
    assert said.splitlines()[-1] == str(8 << 20), said
    assert house.sh("reds", "head -c 20000000 /dev/zero > $HOME/big")[0] != 0
    assert house.sh("reds", "head -c 20000000 /dev/zero > /dev/shm/big")[0] != 0
    house.sh("reds", "rm -f $HOME/big /dev/shm/big")
    assert house.sh("reds", "ulimit -n; ulimit -c")[1].split() == ["64", "0"]
    many = "i=0; while [ $i -lt 60 ]; do sleep 1 & i=$((i+1)); done; wait"
    assert "fork" in house.sh("reds", many)[1].lower()
    time.sleep(1.2)
    eat = "python3 -c 'x = bytearray(400 << 20)'"
    assert house.sh("reds", eat)[0] != 0
    if "memory" in cgroups.find(NAME).controllers:
        house.client.stop("reds")
        two = " & ".join(["python3 -c 'import time; x = bytearray(180 << 20); time.sleep(1)'"] * 2)
        _, said = house.sh("reds", f"{two} & wait; cat /proc/self/cgroup")
        assert NAME in said
        assert "memory" in said
    assert house.sh("reds", "echo alive")[1] == "alive"


def a_killed_spawner_takes_every_sandbox_along(house: House) -> None:
    house.client.stop("blues")
    begun = house.begin("reds", "echo ready; sleep 60")
    begun.read(b"ready")
    pids = [begun.child.pid, parent(begun.child.pid), first_process(house)]
    house.spawner.kill()
    house.spawner.wait()
    assert begun.end()[0] == -signal.SIGKILL
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    house.start_spawner()
    assert house.sh("reds", "echo again")[1] == "again"


def nothing_is_left(house: House) -> None:
    house.sh("reds", "true")
    house.sh("blues", "true")
    house.spawner.terminate()
    assert house.spawner.wait(10) == 0
    assert not list(house.run_dir.iterdir())
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{NAME}*"))
    assert str(house.root) not in Path("/proc/self/mountinfo").read_text()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            assert str(house.root).encode() not in (entry / "cmdline").read_bytes() or entry.name == str(os.getpid())
    house.start_spawner()


ALL = (
    *EVERYWHERE,
    only_its_own_can_be_seen_and_changed,
    data_is_seen_by_consent_only,
    a_link_in_place_of_a_published_folder_shows_nothing,
    a_dead_zygote_loses_no_work,
    a_fallen_sandbox_is_told_and_built_again,
    nothing_outlives_its_task,
    a_team_cannot_hold_up_the_others,
    a_file_is_read_once_for_many_tasks,
    limits_hold,
    a_killed_spawner_takes_every_sandbox_along,
    nothing_is_left,
)
