"""Collectors that behave badly on the wire: sockets and HTTP/2 frames made by hand,
so that they can be wrong. Each serves in threads of its own and stops with the
test."""
import contextlib
import socket
import struct
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
SENT_MAX = 16 << 20  # of an attack: a peer that took so much has had its chance


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(
        ">I", stream) + payload


def literal(name, value):
    """A header that is neither indexed nor compressed; both up to 126 bytes."""
    return bytes((0, len(name))) + name + bytes((len(value),)) + value


RESPONSE = b"\x88" + literal(b"content-type", b"application/grpc")
OK = RESPONSE + literal(b"grpc-status", b"0")


class Connection:
    """The server's side of one HTTP/2 connection."""

    def __init__(self, link):
        self.link, self.buffer = link, b""

    def read(self, size):
        while len(self.buffer) < size:
            piece = self.link.recv(65536)
            if not piece:
                raise ConnectionError("the agent closed")
            self.buffer += piece
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def frames(self):
        """The agent's frames: (kind, flags, stream, payload)."""
        if self.read(len(PREFACE)) != PREFACE:
            raise ConnectionError("no preface")
        while True:
            head = self.read(9)
            size = int.from_bytes(head[:3], "big")
            yield head[3], head[4], int.from_bytes(head[5:9], "big"), self.read(size)

    def request(self):
        """The stream of the first request, whole or not."""
        self.link.sendall(frame(SETTINGS))
        for kind, _, stream, _ in self.frames():
            if kind == HEADERS:
                return stream
        raise ConnectionError("no request")

    def serve(self):
        """An honest collector, which believes everything."""
        self.link.sendall(frame(SETTINGS) + frame(WINDOW, payload=struct.pack(">I", 1 << 30)))
        for kind, flags, stream, payload in self.frames():
            if kind == SETTINGS and not flags & ACK:
                self.link.sendall(frame(SETTINGS, ACK))
            elif kind == PING and not flags & ACK:
                self.link.sendall(frame(PING, ACK, 0, payload))
            elif kind == DATA and payload:
                self.link.sendall(frame(WINDOW, 0, stream, struct.pack(">I", len(payload))))
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                self.link.sendall(frame(HEADERS, END_HEADERS | END_STREAM, stream, OK))

    def flood(self, piece, size=SENT_MAX):
        """The same again and again, until the agent closes or has had enough."""
        self.link.settimeout(5)
        piece *= max(1, 65536 // len(piece))
        for _ in range(size // len(piece)):
            self.link.sendall(piece)


class HostileServer:
    """Its first connections are attacked, one by each function; later ones are served."""

    def __init__(self, *attacks, port=0, backlog=16):
        self.attacks, self.count = list(attacks), 0
        self.links = set()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(backlog)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in list(self.links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def run(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            attack = self.attacks[self.count] if self.count < len(self.attacks) else None
            self.count += 1
            threading.Thread(target=self.one, args=(link, attack), daemon=True).start()

    def one(self, link, attack):
        self.links.add(link)
        with link, contextlib.suppress(OSError):
            connection = Connection(link)
            if attack:
                attack(connection)
            else:
                connection.serve()
        self.links.discard(link)
