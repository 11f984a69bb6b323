"""A private pgbouncer for tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile

import harness
from harness import eventually


def pooler_binary():
    for folder in ("/usr/sbin", "/usr/local/sbin", *os.environ["PATH"].split(":")):
        path = os.path.join(folder, "pgbouncer")
        if os.access(path, os.X_OK):
            return path
    return harness.skip("pgbouncer is not installed")


class Pooler:
    """A running pgbouncer; as text, a conninfo through it."""

    def __init__(self, database, folder, mode, size):
        self.database, self.folder, self.process = database, folder, None
        env = database.env()
        with open(os.path.join(folder, "ini"), "w", encoding="utf-8") as file:
            file.write(f"""[databases]
* = host={env['PGHOST']} port={env['PGPORT']}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
logfile = {folder}/log
pidfile = {folder}/pid
""")
        with open(os.path.join(folder, "users"), "w", encoding="utf-8") as file:
            file.write(f'"{env["PGUSER"]}" ""\n')

    def __str__(self):
        return f"host={self.folder} port=6432 user={self.database.env()['PGUSER']} dbname={self.database.name}"

    def start(self):
        argv = [pooler_binary(), os.path.join(self.folder, "ini")]
        if os.geteuid() == 0:
            owner = "postgres"
            shutil.chown(self.folder, owner)
            argv = ["setpriv", "--reuid", owner, "--regid", owner, "--init-groups", "--", *argv]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        stdin=subprocess.DEVNULL)
        eventually(self.listens, "the pooler")

    def listens(self):
        with socket.socket(socket.AF_UNIX) as one:
            return one.connect_ex(os.path.join(self.folder, ".s.PGSQL.6432")) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        """Dies, and comes back."""
        self.kill()
        for name in (".s.PGSQL.6432", "pid"):
            if os.path.exists(path := os.path.join(self.folder, name)):
                os.unlink(path)
        self.start()


@contextlib.contextmanager
def pooler(database, mode, size=2):
    """A private pgbouncer in front of the database; str() of it is a conninfo through it."""
    folder = tempfile.mkdtemp(prefix="tpb.", dir="/tmp")
    made = Pooler(database, folder, mode, size)
    try:
        made.start()
        yield made
    finally:
        if made.process is not None:
            made.kill()
        shutil.rmtree(folder, ignore_errors=True)
