"""A TCP proxy that misbehaves: cuts, stalls (half-open), delays, closes in mid-message, refuses."""

import random
import socket
import struct
import threading
import time


class _Pair:
    """A client and its server, with a thread for each direction."""

    def __init__(self, proxy, client, server):
        self.proxy, self.sockets = proxy, (client, server)
        self.stalled, self.torn_after = False, None
        for source, target, torn in ((client, server, False), (server, client, True)):
            threading.Thread(target=self._pump, args=(source, target, torn), daemon=True).start()

    def _pump(self, source, target, torn):
        try:
            while data := source.recv(16384):
                while self.stalled:
                    time.sleep(0.02)
                if self.proxy.delay:
                    time.sleep(random.random() * self.proxy.delay)
                if torn and self.torn_after is not None:
                    part = data[:max(1, min(self.torn_after, len(data) - 1))]
                    target.sendall(part)
                    self.proxy.torn += 1
                    break
                target.sendall(data)
        except OSError:
            pass
        if not self.stalled:  # a half-open connection tells neither side that the other one is gone
            self.close()

    def close(self, reset=False):
        self.stalled = False
        for one in self.sockets:
            try:
                if reset:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            except OSError:
                pass
        self.proxy.pairs.discard(self)


class Proxy:
    """Listens on a free port of 127.0.0.1; `target` may be changed, for connections made afterwards."""

    def __init__(self, target):
        self.target, self.pairs, self.delay, self.torn = target, set(), 0.0, 0
        self.refusing = self.swallowing = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        if self.refusing:
            client.close()
            return
        try:
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
        except OSError:
            client.close()
            return
        pair = _Pair(self, client, server)
        pair.stalled = self.swallowing
        self.pairs.add(pair)

    def cut(self, reset=False):
        """Every connection ends; with reset, as when a machine is gone."""
        for pair in list(self.pairs):
            pair.close(reset)

    def cut_one(self):
        pairs = list(self.pairs)
        if pairs:
            random.choice(pairs).close(random.random() < 0.5)

    def stall(self):
        """Every connection stays open, and nothing passes any more."""
        for pair in list(self.pairs):
            pair.stalled = True

    def tear(self):
        """Every connection ends within the next message of the server."""
        for pair in list(self.pairs):
            pair.torn_after = random.randrange(1, 60)

    def close(self):
        self._listener.close()
        self.cut()
