"""libpq through ctypes, for writers that need to know what became of a commit (standard library only)."""

import ctypes

_PQ = ctypes.CDLL("libpq.so.5")
_PQ.PQconnectdb.restype = ctypes.c_void_p
_PQ.PQexec.restype = ctypes.c_void_p
_PQ.PQgetvalue.restype = ctypes.c_void_p
for _name in ("PQerrorMessage", "PQresultErrorField", "PQcmdStatus", "PQresultErrorMessage"):
    getattr(_PQ, _name).restype = ctypes.c_char_p
for _name in ("PQstatus", "PQfinish", "PQerrorMessage", "PQresultStatus", "PQclear", "PQntuples", "PQnfields",
              "PQbackendPID", "PQcmdStatus", "PQresultErrorMessage"):
    getattr(_PQ, _name).argtypes = [ctypes.c_void_p]
_PQ.PQexec.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_PQ.PQgetvalue.argtypes = _PQ.PQgetisnull.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
_PQ.PQresultErrorField.argtypes = [ctypes.c_void_p, ctypes.c_int]
_PQ.PQsetNoticeProcessor.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
_NOTICE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
_SILENT = _NOTICE(lambda user, text: None)
_GOOD = (0, 1, 2)  # PGRES_EMPTY_QUERY, PGRES_COMMAND_OK, PGRES_TUPLES_OK


class Lost(Exception):
    """The connection is gone: what became of the statement is not known."""


class Refused(Exception):
    """The server refused the statement; `state` is its SQLSTATE."""

    def __init__(self, text, state):
        super().__init__(text)
        self.state = state


class Connection:
    """One connection. run() sends one or several statements and gives the rows of the last one."""

    def __init__(self, conninfo):
        self._raw = _PQ.PQconnectdb((conninfo + " connect_timeout=60").encode())
        if _PQ.PQstatus(self._raw) != 0:
            text = _PQ.PQerrorMessage(self._raw).decode("utf-8", "replace").strip()
            self.close()
            raise Lost(text)
        _PQ.PQsetNoticeProcessor(self._raw, _SILENT, None)
        self.pid = _PQ.PQbackendPID(self._raw)

    def run(self, sql):
        result = _PQ.PQexec(self._raw, sql.encode())
        try:
            if _PQ.PQresultStatus(result) in _GOOD:
                return [[None if _PQ.PQgetisnull(result, row, column) else
                         ctypes.string_at(_PQ.PQgetvalue(result, row, column)).decode()
                         for column in range(_PQ.PQnfields(result))] for row in range(_PQ.PQntuples(result))]
            state = (_PQ.PQresultErrorField(result, ord("C")) or b"").decode() if result else ""
            text = _PQ.PQerrorMessage(self._raw).decode("utf-8", "replace").strip()
        finally:
            _PQ.PQclear(result)
        # 57P01 and its kin say that the server ends the session.
        if _PQ.PQstatus(self._raw) != 0 or state.startswith("57P") or not state:
            raise Lost(text)
        raise Refused(text, state)

    def close(self):
        if self._raw:
            _PQ.PQfinish(self._raw)
            self._raw = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
