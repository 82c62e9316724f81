"""Stops gateways in turn while each client makes 50 calls a second: `drain.py LANGUAGE...`, after
`make clients`. No call may fail and no message may go out twice or not at all.

The two gateways share a PostgreSQL: where an answer is lost with its connection, the repetition
reaches the other gateway, which must know the request_id. Clients reach them as in Kubernetes, by
the one address of a Service: it is what their README says of many replicas, and all that the two
without balancing have. The Service is a proxy here: it gives new connections to the gateways that
are ready, in turn, and hears only after a while that one is leaving."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Any

from programs import CLIENTS, ROOT, command

GATEWAY = ROOT / "target/debug/wecomgw"
CALLS = 2000
"""Of each client: 40 s."""
LEAST_STOPS = 4
DRAIN_ACCEPT, CONNECTION_AGE = "4s", "15s"
"""8 s and 5 min in production: shorter, so that more of both fits into 40 s."""
LAG_SECONDS, BOTH_SECONDS = 1, 1
"""How late the Service hears of a stop, and how long both gateways serve before the next."""
PATIENCE_SECONDS = 40
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []

SETTINGS = """
[grpc]
listen = "127.0.0.1:{ports[0]}"
drain_accept = "{drain}"
connection_age = "{age}"
[health]
listen = "127.0.0.1:{ports[1]}"
[admin]
listen = "127.0.0.1:{ports[2]}"
[store]
url = "{store}"
[wecom]
base_url = "{wecom}"
[telemetry]
level = "warn,audit=off"
[[apps]]
name = "youxiao"
corp_id = "ww5a9db0c5a9db0c5a"
agent_id = 1000002
secret = "sandbox-secret-youxiao"
"""


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def postgres(folder: Path):
    """The URL of an empty database, reached through a socket in a folder of its own."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    binaries = max(versions, key=lambda path: int(path.parts[-3])).parent
    home = folder / "postgres"
    home.mkdir()
    if AS_POSTGRES:
        shutil.chown(home, "postgres", "postgres")
    data = home / "data"
    initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run([*AS_POSTGRES, *initdb], cwd="/", check=True, stdout=subprocess.DEVNULL)
    control = [*AS_POSTGRES, binaries / "pg_ctl", "-D", data, "-w", "-s"]
    # This server is not killed: nothing must reach the disk.
    options = f"-c fsync=off -c listen_addresses= -c unix_socket_directories={home}"
    subprocess.run([*control, "-l", home / "log", "-o", options, "start"], cwd="/", check=True)
    try:
        yield f"postgres:///postgres?host={home}&user=postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], cwd="/", check=True)


@contextlib.contextmanager
def sandbox(folder: Path, members: int):
    """The URL of a WeCom with so many members, and the file that it writes each message to."""
    ledger = folder / "ledger"
    arguments = ["sandbox", "--listen", "127.0.0.1:0", "--crowd", str(members), "--ledger", ledger]
    with subprocess.Popen([GATEWAY, *arguments], stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1], ledger
        process.terminate()


class Replica:
    """A gateway; its ports stay the same over its lives."""

    def __init__(self, folder: Path, name: str, wecom: str, store: str) -> None:
        self.name, self.ports = name, free_ports(3)
        self.config = folder / f"{name}.toml"
        text = SETTINGS.format(ports=self.ports, drain=DRAIN_ACCEPT, age=CONNECTION_AGE, store=store, wecom=wecom)
        self.config.write_text(text)

    async def start(self) -> None:
        arguments = ["serve", "--config", self.config]
        self.process = await asyncio.create_subprocess_exec(GATEWAY, *arguments)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await asyncio.to_thread(self.ready):
                await asyncio.sleep(0.05)

    def ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.ports[2]}/readyz")
        except OSError:
            return False
        return True

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


class Service:
    """The one address of many replicas."""

    def __init__(self) -> None:
        self.ready: list[Replica] = []
        self.connections: dict[str, int] = {}

    async def listen(self, language: str) -> int:
        """A port for one client, so that its connections can be counted."""
        self.connections[language] = 0

        async def accept(reader: StreamReader, writer: StreamWriter) -> None:
            self.connections[language] += 1
            self.ready.append(self.ready.pop(0))
            there = await asyncio.open_connection("127.0.0.1", self.ready[0].ports[0])
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def stop(self, replica: Replica) -> float:
        """Stops a replica as Kubernetes does; gives how long it took."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        replica.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(LAG_SECONDS)
        self.ready.remove(replica)
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await replica.process.wait()
        if code:
            raise RuntimeError(f"gateway {replica.name} ended with {code}")
        return clock() - asked


async def pump(reader: StreamReader, writer: StreamWriter) -> None:
    # Either side may break off: what that means is the other side's affair.
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def steady(program: list[str], language: str, port: int) -> dict[str, int]:
    """Runs a client to its end; gives what it counted."""
    env = os.environ | {"WECOMGW_ADDRESS": f"127.0.0.1:{port}", "WECOMGW_TOKEN": "", "PYTHONPATH": "src"}
    options: Any = {"cwd": CLIENTS / language, "env": env, "stdout": subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*program, **options)
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise RuntimeError(f"{language} ended with {process.returncode}")
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", output.decode())}


async def stop_in_turn(service: Service, replicas: list[Replica], stops: list[float]) -> None:
    while not all(service.connections.values()):
        await asyncio.sleep(0.1)
    while True:
        for replica in replicas:
            await asyncio.sleep(BOTH_SECONDS)
            stops.append(await service.stop(replica))
            print(f"stop {len(stops)}: gateway {replica.name} was gone after {stops[-1]:.1f} s", flush=True)
            await replica.start()
            service.ready.append(replica)


async def run(programs: dict[str, list[str]], replicas: list[Replica]) -> tuple[dict, dict, list[float]]:
    service, stops = Service(), []
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        service.ready = list(replicas)
        clients = [steady(programs[name], name, await service.listen(name)) for name in programs]
        stopping = asyncio.create_task(stop_in_turn(service, replicas, stops))
        counts = await asyncio.gather(*clients)
        if stopping.done():
            stopping.result()
        stopping.cancel()
    finally:
        for replica in replicas:
            await replica.end()
    return dict(zip(programs, counts)), service.connections, stops


def main(languages: list[str]) -> bool:
    # Each writes to members of its own: more than 30 messages a minute are too many for one.
    firsts = range(1, len(languages) * CALLS, CALLS)
    programs = {
        name: [*command(name, "steady"), name, str(first), str(CALLS)] for name, first in zip(languages, firsts)
    }
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        store = stack.enter_context(postgres(folder))
        wecom, ledger = stack.enter_context(sandbox(folder, len(languages) * CALLS))
        replicas = [Replica(folder, name, wecom, store) for name in ("one", "two")]
        counts, connections, stops = asyncio.run(run(programs, replicas))
        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    delivered = [line["text"] for line in lines if line["delivered"]]
    good = len(stops) >= LEAST_STOPS
    print(f"{'client':11}{'calls':>8}{'failed':>8}{'sent':>8}{'twice':>8}{'lost':>8}{'connections':>13}")
    for language in languages:
        count, sent = counts[language], [text for text in delivered if text.startswith(f"{language}-")]
        wanted = {f"{language}-{number}" for number in range(0, CALLS, 2)}
        twice, lost = len(sent) - len(set(sent)), len(wanted - set(sent))
        good &= count == {"calls": CALLS, "failed": 0} and not twice and not lost
        # Or it was never moved, and nothing is shown.
        good &= connections[language] > len(stops) // 2
        print(
            f"{language:11}{count['calls']:>8}{count['failed']:>8}{len(sent):>8}{twice:>8}{lost:>8}"
            f"{connections[language]:>13}"
        )
    print(f"{len(stops)} stops, the longest {max(stops, default=0):.1f} s: {'passed' if good else 'FAILED'}")
    return good


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
