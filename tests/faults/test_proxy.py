"""The fault proxy itself, before a real echo server: each command does what its name says."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.proxy import Proxy, a_proxy


def _echo(connection: socket.socket, seen: list[bytes]) -> None:
    with connection:
        try:
            while piece := connection.recv(65536):
                seen.append(piece)
                connection.sendall(piece)
        except OSError as broken:
            seen.append(type(broken).__name__.encode())


@contextmanager
def an_echo_server() -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers with what it hears; returns its port and what it has heard."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_echo, args=(connection, seen), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], seen
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)


@pytest.fixture
def server() -> Iterator[tuple[int, list[bytes]]]:
    """An echo server's port, and what it has heard."""
    with an_echo_server() as one:
        yield one


@pytest.fixture
def heard(server: tuple[int, list[bytes]]) -> list[bytes]:
    """What the server has heard, and how its connections broke."""
    return server[1]


@pytest.fixture
def proxy(server: tuple[int, list[bytes]]) -> Iterator[Proxy]:
    """A proxy before the echo server."""
    with a_proxy("127.0.0.1", server[0]) as one:
        yield one


def connected(proxy: Proxy, *, timeout: float = 10.0) -> socket.socket:
    """Connect as a client does."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout)


def asked(client: socket.socket, text: bytes) -> bytes:
    """Send a text and read as many bytes as it has; fewer when the connection ends."""
    client.sendall(text)
    return read(client, len(text))


def read(client: socket.socket, count: int) -> bytes:
    """Read so many bytes, or up to the end."""
    got = b""
    while len(got) < count and (piece := client.recv(count - len(got))):
        got += piece
    return got


def test_a_healthy_proxy_passes_everything_and_counts(proxy: Proxy) -> None:
    """A megabyte goes there and back unchanged, and the counters say so."""
    text = bytes(range(256)) * 4096
    with connected(proxy) as client:
        sender = threading.Thread(target=client.sendall, args=(text,))
        sender.start()
        assert read(client, len(text)) == text
        sender.join()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert proxy.counters.connections == 1
    assert (proxy.counters.up, proxy.counters.down) == (len(text), len(text))


def test_cut_ends_connections_and_refuses_new_ones_until_healed(proxy: Proxy) -> None:
    """As a server that is stopped, and started again on the same port."""
    with connected(proxy) as client:
        assert asked(client, b"one") == b"one"
        proxy.cut()
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.heal()
    with connected(proxy) as client:
        assert asked(client, b"two") == b"two"


def test_reset_ends_connections_only(proxy: Proxy) -> None:
    """RST for those that are there; the next one is welcome."""
    with connected(proxy) as client:
        assert asked(client, b"one") == b"one"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with connected(proxy) as client:
        assert asked(client, b"two") == b"two"


def test_freeze_passes_nothing_and_loses_nothing(proxy: Proxy) -> None:
    """Old and new connections hang; after the thaw everything arrives."""
    with connected(proxy) as old:
        assert asked(old, b"one") == b"one"
        proxy.freeze()
        with connected(proxy) as new:
            for client in (old, new):
                client.sendall(b"two")
                client.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    client.recv(1)
            proxy.heal()
            for client in (old, new):
                client.settimeout(10)
                assert read(client, 3) == b"two"


@pytest.mark.parametrize(("way", "is_heard"), [("up", False), ("down", True)])
def test_a_freeze_may_be_of_one_way(
    proxy: Proxy, heard: list[bytes], way: str, *, is_heard: bool
) -> None:
    """Frozen down, the server hears and its answer does not come; frozen up, it hears nothing."""
    with connected(proxy) as client:
        assert asked(client, b"one") == b"one"
        proxy.freeze(way)  # type: ignore[arg-type]
        client.sendall(b"two")
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert (b"two" in b"".join(heard)) is is_heard
        proxy.heal()
        client.settimeout(10)
        assert read(client, 3) == b"two"


def test_half_open_tells_the_client_nothing(proxy: Proxy, heard: list[bytes]) -> None:
    """The far side is gone; the client may write, hears nothing, and sees no end either."""
    with connected(proxy) as old:
        assert asked(old, b"one") == b"one"
        proxy.half_open()
        with connected(proxy) as new:
            for client in (old, new):
                client.sendall(b"two")
                client.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    client.recv(1)
            assert b"two" not in b"".join(heard)
            proxy.heal()
            for client in (old, new):
                client.settimeout(10)
                with pytest.raises(ConnectionResetError):
                    client.recv(1)
    with connected(proxy) as client:
        assert asked(client, b"three") == b"three"


def test_half_open_may_spare_new_connections(proxy: Proxy) -> None:
    """As when a router has forgotten the connections that there were."""
    with connected(proxy) as old:
        assert asked(old, b"one") == b"one"
        proxy.half_open(new=False)
        old.sendall(b"two")
        with connected(proxy) as new:
            assert asked(new, b"three") == b"three"
        old.settimeout(0.3)
        with pytest.raises(TimeoutError):
            old.recv(1)


def test_a_deaf_server_is_never_reached(proxy: Proxy, heard: list[bytes]) -> None:
    """The handshake succeeds, and nothing else does; after healing the words arrive."""
    proxy.deaf()
    with connected(proxy) as client:
        client.sendall(b"one")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert not heard
        proxy.heal()
        client.settimeout(10)
        assert read(client, 3) == b"one"


def test_slow_passes_a_few_bytes_at_a_time(proxy: Proxy) -> None:
    """Most of a long text is not there yet when its beginning is; healed, the rest comes."""
    text = b"x" * 100_000
    proxy.slow(2_000, latency_s=0.01)
    with connected(proxy) as client:
        client.sendall(text)
        first = client.recv(65536)
        assert 0 < len(first) < 10_000
        proxy.heal()
        assert len(first) + len(read(client, len(text) - len(first))) == len(text)


@pytest.mark.parametrize("count", [0, 1, 7, 70_000])
def test_reset_after_n_bytes_down_lets_n_pass(proxy: Proxy, count: int) -> None:
    """The client reads n bytes of the answer, then a reset."""
    with connected(proxy) as client:
        assert asked(client, b"before") == b"before"
        proxy.reset_after(count, "down")
        threading.Thread(target=_send, args=(client, b"x" * (count + 10)), daemon=True).start()
        assert read(client, count) == b"x" * count
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert proxy.counters.resets == 1


@pytest.mark.parametrize("count", [0, 1, 7, 70_000])
def test_reset_after_n_bytes_up_lets_n_pass(proxy: Proxy, heard: list[bytes], count: int) -> None:
    """The server hears n bytes, then a reset; the client is reset as well."""
    proxy.reset_after(count, "up", times=1)
    with connected(proxy) as client:
        threading.Thread(target=_send, args=(client, b"x" * (count + 10)), daemon=True).start()
        with pytest.raises(OSError, match=r"reset|Broken pipe") as broken:
            _drain(client)
        assert broken.value.errno in {errno.ECONNRESET, errno.EPIPE}
    # Once was asked for: the next connection is spared. It ends after the first has been heard.
    with connected(proxy) as client:
        assert asked(client, b"y" * (count + 10)) == b"y" * (count + 10)
    deadline = threading.Event()
    for _ in range(200):
        if b"ConnectionResetError" in heard:
            break
        deadline.wait(0.02)
    assert b"ConnectionResetError" in heard
    assert b"".join(heard).count(b"x") == count


def _drain(client: socket.socket) -> None:
    while client.recv(65536):
        pass


def _send(client: socket.socket, text: bytes) -> None:
    try:
        client.sendall(text)
    except OSError:
        return  # which is what was asked for


def test_reset_at_a_text_keeps_it_from_the_server(proxy: Proxy, heard: list[bytes]) -> None:
    """The piece with the text does not arrive; those without it do."""
    proxy.reset_at(b"COMMIT", times=1)
    with connected(proxy) as client:
        assert asked(client, b"BEGIN") == b"BEGIN"
        client.sendall(b"COMMIT")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert b"COMMIT" not in heard
    with connected(proxy) as client:
        assert asked(client, b"COMMIT") == b"COMMIT"


def test_lose_answer_lets_the_server_hear(proxy: Proxy, heard: list[bytes]) -> None:
    """The server has done it, and the client does not learn that."""
    proxy.lose_answer(b"COMMIT")
    with connected(proxy) as client:
        assert asked(client, b"BEGIN") == b"BEGIN"
        client.sendall(b"COMMIT")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert b"COMMIT" in heard
    with connected(proxy) as client:
        assert asked(client, b"COMMIT") == b"COMMIT"


def test_the_nth_piece_can_be_meant(proxy: Proxy, heard: list[bytes]) -> None:
    """Pieces are counted over all connections: so every statement of a run can be walked over."""
    proxy.reset_at(skip=2, times=1)
    with connected(proxy) as one, connected(proxy) as other:
        assert asked(one, b"1") == b"1"
        assert asked(other, b"2") == b"2"
        one.sendall(b"3")
        with pytest.raises(ConnectionResetError):
            one.recv(1)
        assert asked(other, b"4") == b"4"
    assert b"3" not in heard


def test_a_server_that_is_down_looks_like_one(proxy: Proxy) -> None:
    """With nobody behind it, the proxy's clients are turned away and the proxy lives on."""
    with a_proxy("127.0.0.1", _nobody()) as alone:
        for _ in range(3):
            # The reset may come before the client has seen its connection stand.
            with pytest.raises(ConnectionResetError), connected(alone) as client:
                client.recv(1)
        assert alone.links == 0


def _nobody() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
