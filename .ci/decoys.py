"""Runs a command beside decoys on the standard ports, and fails when anything connects to one.

For a fresh network namespace: brings its loopback up first. Connections of child processes count,
which a guard within the tests would not see.
"""

from __future__ import annotations

import fcntl
import selectors
import socket
import struct
import subprocess
import sys
import threading

#: Redis, PostgreSQL, RabbitMQ, and where development servers live
PORTS = (6379, 5432, 5672, 8000, 8080)
#: linux/sockios.h and linux/if.h
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def loopback_up() -> None:
    """Switches the loopback on; needs no program that a small image lacks."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def watch(listening: selectors.BaseSelector, touched: list[int]) -> None:
    """Takes every connection and remembers the port; ends with the process."""
    while True:
        for key, _ in listening.select():
            decoy: socket.socket = key.data
            decoy.accept()[0].close()
            touched.append(decoy.getsockname()[1])


def main(command: list[str]) -> int:
    """Returns the command's exit code, or 1 when a decoy was touched."""
    loopback_up()
    touched: list[int] = []
    listening = selectors.DefaultSelector()
    for port in PORTS:
        decoy = socket.create_server(("127.0.0.1", port))
        listening.register(decoy, selectors.EVENT_READ, decoy)
    threading.Thread(target=watch, args=(listening, touched), daemon=True).start()
    socket.create_connection(("127.0.0.1", PORTS[0])).close()
    code = subprocess.run(command, check=False).returncode  # noqa: S603 - the caller's own command
    # The first touch is our own: it proves that the decoys see anything at all.
    if touched != [PORTS[0]]:
        sys.stderr.write(f"decoys were touched on {sorted(touched[1:])}, or see nothing\n")
        return 1
    sys.stderr.write(f"no decoy was touched ({', '.join(map(str, PORTS))})\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
