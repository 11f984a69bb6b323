"""Doors in front of a server that tests can shut: a proxy on a Unix socket, and one that never answers."""

import os
import select
import shutil
import socket
import tempfile
import threading


class Door:
    """with Door(database) as door: door.conninfo(); door.stall(); door.open()

    Stalled, it moves no byte and closes nothing, also for those who come then: as a network that
    loses every packet. Connections that stalled stay so.
    """

    def __init__(self, database):
        env = database.env()
        self._target = os.path.join(env["PGHOST"], f".s.PGSQL.{env['PGPORT']}")
        self.folder = tempfile.mkdtemp(prefix="tpd.", dir="/tmp")
        self._database = database
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.path.join(self.folder, ".s.PGSQL.5432"))
        self._listener.listen(50)
        self._stalled, self._ended, self.accepted = False, False, 0
        self._dead = []
        threading.Thread(target=self._accept, daemon=True).start()

    def conninfo(self):
        return f"host={self.folder} port=5432 user={self._database.user} dbname={self._database.name}"

    def stall(self):
        self._stalled = True

    def open(self):
        self._stalled = False

    def _accept(self):
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._stalled:
                self._dead.append(client)
            else:
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._target)
            while not self._ended:
                ready, _, _ = select.select([client, server], [], [], 0.02)
                if self._stalled:
                    self._dead += [client, server]
                    return
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        client.close()
                        server.close()
                        return
                    (server if one is client else client).sendall(data)
        except OSError:
            client.close()
            server.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended = True
        self._listener.close()
        for one in self._dead:
            one.close()
        shutil.rmtree(self.folder, ignore_errors=True)
