#!/usr/bin/python3
"""The harness itself: a session holds a transaction, errors arrive, checks can fail."""

import harness
from harness import Failure, SqlError, check, contains, equal, raises, test


@test("a transaction held open is invisible until it commits")
def _(db):
    db.sql("create table t(a int, b text)")
    with db.session() as writer:
        writer.run("begin; insert into t values (1, null)")
        equal(db.value("select count(*) from t"), "0", "rows before the commit")
        writer.run("commit")
        equal(db.rows("select * from t"), [["1", None]], "rows after the commit")


@test("a blocked statement can be waited for")
def _(db):
    db.sql("create table t(a int); insert into t values (1)")
    with db.session() as first, db.session() as second:
        first.run("begin; update t set a = 2")
        second.start("update t set a = a + 10 returning a")
        raises(Failure, second.finish, 0.2)
        first.run("commit")
        equal(second.finish(), "12", "what the second writer saw")


@test("errors of the server arrive with their text")
def _(db):
    contains(db.fails("select 1/0"), "division by zero", "error")
    with db.session() as session:
        contains(session.fails("select nothing"), "42703", "error")
        equal(session.run("select 1"), "1", "the session lives on")


@test("checks fail when they should")
def _():
    raises(Failure, check, False, "no")
    raises(Failure, equal, 1, 2)
    raises(Failure, contains, "abc", "d")
    raises(Failure, raises, SqlError, lambda: None)


@test("the server can crash and come back")
def _(cluster):
    db = cluster.database()
    db.sql("create table t as select 1 as a")
    cluster.halt("immediate")
    contains(str(raises(SqlError, db.sql, "select 1")), "connection", "error")
    cluster.resume()
    equal(db.value("select a from t"), "1", "the row")


if __name__ == "__main__":
    harness.main()
