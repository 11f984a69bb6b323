"""A standby of a private server: with Standby(cluster) as standby: Database(standby, name)."""

import os
import pwd
import re
import shutil
import tempfile

import harness


class Standby:
    """A copy of a running cluster that follows its log, on a Unix socket of its own. Has the `env` of a
    Cluster, so that harness.Database() takes it."""

    def __init__(self, cluster):
        self._cluster = cluster
        with open(os.path.join(cluster.dir, "cluster.state"), encoding="utf-8") as file:
            state = file.read()
        self._bin = re.search(r"^bindir=(.*)$", state, re.M).group(1)
        if not os.path.exists(os.path.join(self._bin, "pg_basebackup")):
            harness.skip("this server comes without pg_basebackup")
        self._folder = tempfile.mkdtemp(prefix="tps.", dir="/tmp")
        self._data = os.path.join(self._folder, "data")
        self.env = {**cluster.env, "PGHOST": self._folder, "TRIGPERF_PG_SOCKET": self._folder}
        try:
            self._make()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _server(self, *argv):
        """Runs a program of the server as its user."""
        owner = pwd.getpwuid(os.stat(self._cluster.env["PGHOST"]).st_uid).pw_name
        switch = ["runuser", "-u", owner, "--"] if os.getuid() == 0 else []
        program = os.path.join(self._bin, argv[0])
        return harness.run([*switch, program, *argv[1:]], env={**os.environ, **self._cluster.env}, ok=True, timeout=120)

    def _make(self):
        owner = os.stat(self._cluster.env["PGHOST"])
        os.chown(self._folder, owner.st_uid, owner.st_gid)
        self._server("pg_basebackup", "-D", self._data, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        with open(os.path.join(self._data, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write(f"unix_socket_directories = '{self._folder}'\nlisten_addresses = ''\nhot_standby = on\n")
        self._server("pg_ctl", "-D", self._data, "-l", os.path.join(self._folder, "log"), "-w", "-t", "60", "-s", "start")

    def promote(self):
        self._server("pg_ctl", "-D", self._data, "-w", "-s", "promote")

    def stop(self):
        self._server("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "-s", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
