"""What a team's list lets through, and nothing else: one function a promise."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil

from airspace.model.warehouse import Offer
from tests.integration.certificates import certificate
from tests.integration.network.servers import Database, Echo, Encrypted
from tests.integration.network.town import Town, own_address
from tests.integration.sandbox.house import alone, repository, until

_TALK = """
import hashlib, socket, sys, time
def talk(host, port, said=b"x"):
    try:
        with socket.create_connection((host, port), 5) as link:
            link.sendall(said)
            return "said " + link.recv(100).decode()
    except OSError as error:
        return type(error).__name__
"""


def only_what_is_listed_is_reached(town: Town) -> None:
    echo, other = Echo(), Echo()
    town.know({"echo.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]})
    town.allow("reds", f"echo.test:{echo.port}", f"127.0.0.1:{echo.port}")
    hearing = town.hearing("reds")
    said = town.python(
        "reds",
        f"""{_TALK}
print(talk("echo.test", {echo.port}), talk("ECHO.test", {echo.port}), talk("127.0.0.1", {echo.port}))
for host, port in (("other.test", {other.port}), ("echo.test", {other.port}), ("echo.test", 8080), ("echo.test", 443),
                   ("127.0.0.1", {other.port}), ("2130706433", {other.port}), ("0", {other.port}),
                   ("127.1", {other.port}),
                   ("::ffff:127.0.0.1", {other.port}), ("::1", {other.port}), ("192.0.2.1", {echo.port}),
                   ("169.254.169.254", 80), ("sandbox", {other.port}), ("x.echo.test", {echo.port})):
    began = time.monotonic()
    print(host, port, talk(host, port), "slow" if time.monotonic() - began > 3 else "")
""",
    )
    first, *rest = said.splitlines()
    assert first == "said x said x said x", said
    assert "said" not in "".join(rest)
    assert "slow" not in "".join(rest), rest
    assert not other.met
    heard = " ".join(hearing.lines())
    for what in ("other.test is not on", "echo.test:8080 is not on", "echo.test:443 is not on", "x.echo.test is not"):
        assert what in heard, (what, heard)
    # The team beside it has nothing of that, not even the listener on its own loopback.
    assert "said" not in town.python(
        "blues", f"{_TALK}\nprint(talk('echo.test', {echo.port}), talk('127.0.0.1', {echo.port}))"
    )


def what_a_name_leads_to_is_looked_at(town: Town) -> None:
    """Loopback, link-local, metadata, the machine's own: never by a name, and not by one that changes either."""
    decoy = Echo(address="0.0.0.0")  # noqa: S104
    hidden = {
        "loop.test": ["127.0.0.1"], "loop6.test": ["::1"], "mapped.test": ["::ffff:127.0.0.1"],
        "six.test": ["2002:7f00:1::"], "zero.test": ["0.0.0.0"], "meta.test": ["169.254.169.254"],  # noqa: S104
        "meta6.test": ["fd00:ec2::254"], "azure.test": ["168.63.129.16"], "many.test": ["224.0.0.1"],
    }  # fmt: skip
    if own := own_address():
        hidden["own.test"] = [own]
    flips = {"flip.test": [["192.0.2.7"], ["127.0.0.1"]]}
    town.know({**hidden, **flips})  # type: ignore[dict-item]
    town.allow("reds", *(f"{name}:{decoy.port}" for name in (*hidden, *flips)))
    hearing = town.hearing("reds")
    said = town.python("reds", f"{_TALK}\nfor name in {[*hidden]}: print(talk(name, {decoy.port}))")
    assert set(said.split()) == {"gaierror"}, said
    heard = hearing.lines()
    assert len(heard) == len(hidden), heard
    assert all("is not let in: its address" in line for line in heard)
    said = town.python("reds", f"{_TALK}\nprint(talk('flip.test', {decoy.port}))")
    assert said in ("ConnectionResetError", "said"), said
    assert "flip.test port" in "".join(hearing.lines())
    assert not decoy.met
    # Who lists the address itself may have it, by the name too.
    town.allow("reds", f"loop.test:{decoy.port}", f"127.0.0.1:{decoy.port}")
    assert town.python("reds", f"{_TALK}\nprint(talk('loop.test', {decoy.port}))") == "said x"


def a_star_stands_for_what_is_before_a_domain(town: Town) -> None:
    echo = Echo()
    names = ["a.s3.test", "b.c.s3.test", "s3.test", "as3.test"]
    town.know({name: ["127.0.0.1"] for name in names})
    town.allow("reds", f"*.s3.test:{echo.port}", f"127.0.0.1:{echo.port}")
    said = town.python("reds", f"{_TALK}\nfor name in {names}: print(talk(name, {echo.port}))")
    assert said.splitlines() == ["said x", "said x", "gaierror", "gaierror"]


def open_means_public_hosts_on_some_ports(town: Town) -> None:
    decoy = Echo()
    town.know({"private.test": ["10.9.8.7"], "loop.test": ["127.0.0.1"]})
    town.allow("reds", "open", f"here.test:{decoy.port}", f"127.0.0.1:{decoy.port}")
    hearing = town.hearing("reds")
    said = town.python(
        "reds",
        f"""{_TALK}
for host, port in (("private.test", 80), ("loop.test", 80), ("10.9.8.7", 443), ("169.254.169.254", 80),
                   ("127.0.0.1", 22), ("127.0.0.1", {decoy.port})):
    print(talk(host, port))
""",
    )
    assert said.splitlines() == ["gaierror", *["ConnectionResetError"] * 4, "said x"], said
    heard = " ".join(hearing.lines())
    for what in (
        "10.9.8.7 is in a private network",
        "169.254.169.254 port 80 is not let in",
        "127.0.0.1 port 22 is not",
    ):
        assert what in heard, (what, heard)


def what_is_said_arrives_whole(town: Town) -> None:
    """Eight megabytes there and back, and the end of each direction by itself."""
    echo = Echo()
    town.know({"echo.test": ["127.0.0.1"]})
    town.allow("reds", f"echo.test:{echo.port}", f"127.0.0.1:{echo.port}")
    code = f"""{_TALK}
import os, threading
link, data = socket.create_connection(("echo.test", {echo.port}), 20), os.urandom(8 << 20)
threading.Thread(target=lambda: (link.sendall(data), link.shutdown(socket.SHUT_WR))).start()
found = bytearray()
while piece := link.recv(1 << 16):
    found += piece
    if len(found) < 1 << 20: time.sleep(0.001)
print(bytes(found) == data + b"|" + hashlib.sha256(data).hexdigest().encode(), len(found))
"""
    assert town.python("reds", code).startswith("True"), echo.met


def a_list_changes_live(town: Town) -> None:
    """What is taken off it is cut at once; what is added holds for the next task."""
    echo, other = Echo(), Echo()
    town.know({"echo.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]})
    here = (f"127.0.0.1:{echo.port}", f"127.0.0.1:{other.port}")
    town.allow("reds", f"echo.test:{echo.port}", *here)
    hearing = town.hearing("reds")
    code = f"""{_TALK}
link = socket.create_connection(("echo.test", {echo.port}), 20)
print("ready", flush=True)
try: print(link.recv(1))
except OSError as error: print(type(error).__name__)
print(talk("echo.test", {echo.port}), talk("other.test", {other.port}))
"""
    path = town.layout.bundles / "reds" / "live.py"
    path.write_text(code)
    begun = town.begin("reds", f"{sys.executable} {path} 2>&1")
    begun.read(b"ready")
    until(lambda: echo.met)
    town.allow("reds", f"other.test:{other.port}", *here)
    assert begun.end()[1].split() == ["ConnectionResetError", "gaierror", "gaierror"]
    assert "a connection was cut off: echo.test" in " ".join(hearing.lines())
    assert town.python("reds", f"{_TALK}\nprint(talk('other.test', {other.port}))") == "said x"


def a_killed_relay_comes_back(town: Town) -> None:
    """Connections break; the sandboxes that there are go on with the next relay."""
    echo = Echo()
    town.know({"echo.test": ["127.0.0.1"]})
    town.allow("reds", f"echo.test:{echo.port}", f"127.0.0.1:{echo.port}")
    code = f"""{_TALK}
link = socket.create_connection(("echo.test", {echo.port}), 20)
link.sendall(b"x"); link.recv(1)
print("ready", flush=True)
try: print(link.recv(1))
except OSError as error: print(type(error).__name__)
print("again", flush=True)
deadline = time.monotonic() + 15
while (said := talk("echo.test", {echo.port})) != "said x" and time.monotonic() < deadline: time.sleep(0.1)
print(said)
"""
    path = town.layout.bundles / "reds" / "again.py"
    path.write_text(code)
    begun = town.begin("reds", f"{sys.executable} {path} 2>&1")
    begun.read(b"ready")
    sandboxes = town.log.read_text().count("reds: a sandbox after")
    assert town.relay is not None
    town.relay.send_signal(signal.SIGKILL)
    town.relay.wait()
    begun.read(b"again")
    town.start_relay()
    assert begun.end()[1] == "said x"
    assert town.log.read_text().count("reds: a sandbox after") == sandboxes


def what_is_given_up_leaves_nothing(town: Town) -> None:
    """Connections that are reset, half closed or left in every state: the relay keeps no descriptor of them."""
    echo = Echo()
    town.know({"echo.test": ["127.0.0.1"]})
    town.allow("reds", f"echo.test:{echo.port}", f"127.0.0.1:{echo.port}")
    said = town.python(
        "reds",
        f"""{_TALK}
for number in range(240):
    with socket.socket() as link:
        link.settimeout(20)
        link.connect(("198.18.0.1", {echo.port}))
        try:
            if number % 3 == 1: link.send(bytes(number * 1000))
            if number % 3 == 2: link.shutdown(socket.SHUT_WR)
        except OSError: pass
print(talk("echo.test", {echo.port}))
""",
    )
    assert said == "said x"
    assert town.relay is not None
    relay = psutil.Process(town.relay.pid)
    town.client.stop("reds")
    until(lambda: relay.num_fds() < 30 and not relay.net_connections("tcp"))


def an_ipv6_address_is_an_entry_too(town: Town) -> None:
    try:
        echo = Echo(address="::1")
    except OSError:
        return  # this machine has no IPv6
    town.know({"six.test": ["::1"]})
    town.allow("reds", f"[::1]:{echo.port}", f"six.test:{echo.port}", "[2001:db8::7]:443")
    said = town.python(
        "reds",
        f"""{_TALK}
for host, port in (("::1", {echo.port}), ("six.test", {echo.port}), ("2001:db8::7", 443), ("2001:db8::8", 443)):
    print(talk(host, port))
""",
    )
    assert said.splitlines() == ["said x", "said x", "ConnectionResetError", "OSError"], said


def its_own_ports_are_its_own(town: Town) -> None:
    """Listing a host's port takes nothing of the team's own loopback, and what it listens on is nobody else's."""
    town.know({"db.test": ["10.9.8.7"]})
    town.allow("reds", "db.test:5432", "db.test:9000")
    code = """
import socket
for address in ("127.0.0.1", "0.0.0.0"):
    for port in (5432, 9000, 8080):
        with socket.socket() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try: link.bind((address, port)); link.listen(); print(address, port)
            except OSError as error: print(type(error).__name__)
try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9))
except OSError as error: print(error.errno)
try: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
except OSError as error: print(error.errno)
"""
    said = town.python("reds", code).splitlines()
    assert said[:3] == ["127.0.0.1 5432", "127.0.0.1 9000", "127.0.0.1 8080"], said
    assert said[-2:] == ["101", "1"], said


_FLOOD = """
import os, socket, struct, threading, time
def names():
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.connect(("127.0.0.53", 53))
    number = 0
    while True:
        number += 1
        label = b"n%d" % number
        bad = os.urandom(number % 700)
        good = struct.pack("!6H", number & 0xffff, 256, 1, 0, 0, 0) + bytes([len(label)]) + label
        wild, unlisted = good + b"\\4wild\\4test\\0\\0\\1\\0\\1", good + b"\\3not\\0\\0\\1\\0\\1"
        for data in (wild, unlisted, bad, good + b"\\xc0\\x0c"):
            try: link.send(data)
            except OSError: pass
def connections():
    held = []
    while True:
        for port in (PORT, 80, 443, 8080):
            link = socket.socket()
            link.setblocking(False)
            link.connect_ex(("198.18.0.1", port))
            held.append(link)
        if len(held) > 500: held = held[250:]
def data():
    while True:
        try:
            link = socket.create_connection(("echo.test", PORT), 5)
            threading.Thread(target=lambda: [None for _ in iter(lambda: link.recv(65536), b"")], daemon=True).start()
            while True: link.sendall(bytes(65536))
        except OSError: time.sleep(0.1)
for each in (names, connections, data, data): threading.Thread(target=each, daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


def nobody_slows_another(town: Town) -> None:
    """Names, silent name servers, connections, data without end from one; the other goes on as if it were alone."""
    with alone("slowest"), _an_echo_elsewhere() as busy:
        _flood(town, busy)


@contextlib.contextmanager
def _an_echo_elsewhere() -> Iterator[int]:
    """The port of one in another process: what it does is not in the figures of those here."""
    code = """import sys
from tests.integration.network.servers import Echo
print(Echo().port, flush=True)
sys.stdin.read()"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=repository(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as busy:
        assert busy.stdout is not None
        try:
            yield int(busy.stdout.readline())
        finally:
            busy.kill()


def _flood(town: Town, busy: int) -> None:
    echo = Echo()
    town.know({"echo.test": ["127.0.0.1"], **{f"n{number}.wild.test": ["silence"] for number in range(5)}})
    for team, port in (("reds", echo.port), ("blues", busy)):
        town.allow(team, f"echo.test:{port}", "*.wild.test:9000", f"127.0.0.1:{port}")
    measure = f"""{_TALK}
took = []
for _ in range(60):
    began = time.monotonic()
    assert talk("echo.test", {echo.port}) == "said x"
    took.append(time.monotonic() - began)
    time.sleep(0.01)
print(sorted(took)[30], max(took))
"""
    town.python("reds", measure)
    path = town.layout.bundles / "blues" / "flood.py"
    path.write_text(_FLOOD.replace("PORT", str(busy)))
    assert town.relay is not None
    begun = town.begin("blues", f"nice -n 19 {sys.executable} {path} 2>&1")
    try:
        begun.read(b"ready")
        relay = psutil.Process(town.relay.pid)
        until(lambda: any(link.raddr and link.raddr.port == busy for link in relay.net_connections("tcp")))
        median, worst = map(float, town.python("reds", measure).split())
    finally:
        begun.child.close()
    assert median < 0.3, (median, worst)
    assert worst < 5.0, (median, worst)
    town.client.stop("blues")
    assert town.relay.poll() is None


_ASK = """
import socket, struct, sys, threading, time
import psycopg2
def ask(user="team_reds", database="warehouse", what="SELECT current_user", **more):
    try:
        with psycopg2.connect(host="warehouse.airspace", user=user, dbname=database, connect_timeout=8, **more) as link:
            cursor = link.cursor()
            cursor.execute(what)
            return cursor.fetchone()[0]
    except psycopg2.Error as error:
        return str(error).strip().splitlines()[-1]
"""


def the_warehouse_is_on_no_list(town: Town) -> None:
    """A team without a list reaches it, as its own role and nothing else of the server, however it says so."""
    with Database(town.root) as database:
        database.do("CREATE ROLE team_reds LOGIN", "CREATE ROLE team_blues LOGIN", "CREATE DATABASE warehouse")
        for offer in (Offer("127.0.0.1", database.port), Offer(database.folder)):
            town.allow("reds")
            town.offer(offer if offer.port == database.port else replace(offer, port=database.port))
            said = town.python(
                "reds",
                f"""{_ASK}
print(ask())
print(ask("airspace"), ask("team_blues"), ask(database="postgres"), ask(database="template1"), sep="\\n")
print(ask(sslmode="require"))
print(ask(options="-c role=airspace"))
print(ask(what="SELECT pg_sleep(0.1)::text || 'x'"))
link = psycopg2.connect(host="warehouse.airspace", user="team_reds", dbname="warehouse")
threading.Timer(0.3, link.cancel).start()
try: link.cursor().execute("SELECT pg_sleep(20)")
except psycopg2.Error as error: print(type(error).__name__)
for host, port in (("198.18.255.254", 5433), ("198.18.0.1", 5432), ("127.0.0.1", 5432)):
    try: socket.create_connection((host, port), 2); print("reached", host)
    except OSError as error: print(type(error).__name__)
""",
            ).splitlines()
            assert said[0] == "team_reds", said
            assert ["is the role" in line for line in said[1:3]] == [True, True], said
            assert ["there is no other" in line for line in said[3:5]] == [True, True], said
            assert "does not support SSL" in said[5], said
            assert "permission denied" in said[6], said
            assert said[7:9] == ["x", "QueryCanceledError"] or said[7:9] == ["x", "QueryCanceled"], said
            assert "reached" not in " ".join(said[9:]), said


def a_companys_server_is_spoken_to_by_tls(town: Town) -> None:
    """As its URL says: the certificate is looked at, much goes both ways, and a server without TLS is not spoken to."""
    own = certificate(town.root / "host.pem", "db.test", "127.0.0.1")
    other = certificate(town.root / "other.pem", "db.test", "127.0.0.1")
    town.know({"db.test": ["127.0.0.1"]})
    ask = f"""{_ASK}
print(ask(what="SELECT current_user || length(repeat('x', 5000000)) || md5(repeat('x', 5000000))"))
print(len(ask(what="SELECT repeat('y', 5000000)")))
print(ask(what="SELECT length('" + "z" * 3000000 + "')"))
"""
    with Database(town.root) as database:
        database.do("CREATE ROLE team_reds LOGIN", "CREATE DATABASE warehouse")
        front, bare = Encrypted(database.port, own), Encrypted(database.port, None)
        town.allow("reds")
        offer = Offer("db.test", front.port, sslmode="verify-full", ca=str(own.with_suffix(".ca")))
        for good, sealed in (
            (offer, True),
            (replace(offer, sslmode="prefer", ca=None), True),
            (replace(offer, sslmode="prefer", port=bare.port), False),
        ):
            town.offer(good)
            before = front.sealed
            said = town.python("reds", ask).splitlines()
            assert said[0].startswith("team_reds5000000"), said
            assert said[1:] == ["5000000", "3000000"], said
            assert front.sealed - before == 3 * sealed
        for bad, reason in (
            (replace(offer, ca=str(other.with_suffix(".ca"))), "is not trusted"),
            (replace(offer, host="elsewhere.test"), "is not trusted"),
            (replace(offer, port=bare.port), "speaks no TLS"),
        ):
            town.know({"db.test": ["127.0.0.1"], "elsewhere.test": ["127.0.0.1"]})
            town.offer(bad)
            hearing = town.hearing("reds")
            assert "team_reds" not in town.python("reds", f"{_ASK}\nprint(ask())")
            assert reason in " ".join(hearing.lines()), reason
        front.close()
        bare.close()


def nobody_takes_the_warehouses_places(town: Town) -> None:
    """Who connects and says nothing, or too often, has so many places and no more; the server hears of none of them."""
    with Database(town.root) as database:
        database.do("CREATE ROLE team_reds LOGIN", "CREATE ROLE team_blues LOGIN", "CREATE DATABASE warehouse")
        for team in ("reds", "blues"):
            town.allow(team)
        town.offer(Offer(database.folder, port=database.port))
        hold = f"""{_ASK}
held = []
for _ in range(30):
    link = socket.socket()
    link.connect(("198.18.255.254", 5432))
    held.append(link)
print("held", flush=True)
print(ask(), "over", flush=True)
time.sleep(20)
"""
        path = town.layout.bundles / "reds" / "hold.py"
        path.write_text(hold)
        hearing = town.hearing("reds")
        begun = town.begin("reds", f"{sys.executable} {path} 2>&1")
        begun.read(b"held")
        assert town.python("blues", f"{_ASK}\nprint(ask('team_blues'))") == "team_blues"
        assert database.do("SELECT count(*) FROM pg_stat_activity WHERE usename = 'team_reds'") == [(0,)]
        said = begun.read(b"over").decode()
        assert "too many" in said or "reset" in said or "closed" in said, said
        begun.child.close()
        assert "too many at once" in " ".join(hearing.lines())
        town.client.stop("reds")
        until(lambda: town.python("reds", f"{_ASK}\nprint(ask())") == "team_reds")


ALL: tuple[Callable[[Town], None], ...] = (
    only_what_is_listed_is_reached,
    what_a_name_leads_to_is_looked_at,
    a_star_stands_for_what_is_before_a_domain,
    open_means_public_hosts_on_some_ports,
    what_is_said_arrives_whole,
    a_list_changes_live,
    a_killed_relay_comes_back,
    what_is_given_up_leaves_nothing,
    an_ipv6_address_is_an_entry_too,
    its_own_ports_are_its_own,
    the_warehouse_is_on_no_list,
    a_companys_server_is_spoken_to_by_tls,
    nobody_takes_the_warehouses_places,
    nobody_slows_another,
)
