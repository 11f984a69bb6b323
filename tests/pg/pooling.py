"""A private pgbouncer for tests."""

import contextlib
import os
import shutil
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


@contextlib.contextmanager
def pooler(database, mode):
    """A private pgbouncer in front of the database; gives a conninfo through it."""
    folder = tempfile.mkdtemp(prefix="tpb.", dir="/tmp")
    env = database.env()
    as_root = os.geteuid() == 0
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
default_pool_size = 2
logfile = {folder}/log
pidfile = {folder}/pid
""")
    with open(os.path.join(folder, "users"), "w", encoding="utf-8") as file:
        file.write(f'"{env["PGUSER"]}" ""\n')
    argv = [pooler_binary(), os.path.join(folder, "ini")]
    if as_root:
        owner = "postgres"
        shutil.chown(folder, owner)
        argv = ["setpriv", "--reuid", owner, "--regid", owner, "--init-groups", "--", *argv]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: os.path.exists(os.path.join(folder, ".s.PGSQL.6432")), "the pooler")
        yield f"host={folder} port=6432 user={env['PGUSER']} dbname={database.name}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
