-- Tables of the call centre, without their keys and indexes: those follow in data.sql, when the
-- rows are in.
create schema call_center;
set search_path = call_center;

create table users (
    id int not null,
    name text not null,
    email text not null,
    plan text not null,
    credit_balance numeric(12, 2) not null default 0,
    last_seen_at timestamptz                      -- written often, shown nowhere: not watched
);

create table agents (
    id int not null,
    user_id int not null,
    name text not null,
    label text not null default '',
    voice text not null,
    status text not null
);

create table calls (
    id bigint not null generated always as identity,
    user_id int not null,
    agent_id int,                                 -- null while nobody takes the call
    phone text not null,
    status text not null,
    duration_s int not null default 0,
    cost numeric(10, 4) not null default 0,
    started_at timestamptz not null,
    heartbeat_at timestamptz                      -- as users.last_seen_at
);

create table lead_analytics (
    call_id bigint not null,
    user_id int not null,
    score int not null,
    stage text not null
);

create table agent_analytics (
    agent_id int not null,
    day date not null,
    calls int not null default 0,
    answered int not null default 0,
    talk_s int not null default 0
);

create table credit_transactions (
    id bigint not null generated always as identity,
    user_id int not null,
    amount numeric(10, 2) not null,
    kind text not null,
    created_at timestamptz not null
);
