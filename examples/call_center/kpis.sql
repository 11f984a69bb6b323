-- What the obvious triggers do, for comparison: everything is counted anew for each row, and the
-- dashboard is left alone when it was refreshed less than a minute ago.
set search_path = call_center;

create table naive_kpi (
    user_id int primary key,
    calls bigint,
    answered bigint,
    talk_s bigint,
    cost numeric
);
create table naive_dashboard (
    user_id int primary key,
    payload jsonb,
    updated_at timestamptz
);
create sequence naive_executions;
create sequence naive_refreshes;

create function naive_kpi() returns trigger language plpgsql as $$
begin
    perform nextval('call_center.naive_executions');
    insert into call_center.naive_kpi
    select user_id, count(*), count(*) filter (where status = 'answered'),
        coalesce(sum(duration_s), 0), coalesce(sum(cost), 0)
    from call_center.calls where user_id = new.user_id group by user_id
    on conflict (user_id) do update set calls = excluded.calls, answered = excluded.answered,
        talk_s = excluded.talk_s, cost = excluded.cost;
    return null;
end
$$;

create function naive_dashboard() returns trigger language plpgsql as $$
begin
    if exists (select from call_center.naive_dashboard
               where user_id = new.user_id and updated_at > now() - interval '1 minute') then
        return null;
    end if;
    perform nextval('call_center.naive_refreshes');
    insert into call_center.naive_dashboard
    select user_id, jsonb_build_object('agents', count(*), 'active',
               count(*) filter (where status = 'active'), 'label', max(label)), now()
    from call_center.agents where user_id = new.user_id group by user_id
    on conflict (user_id) do update set payload = excluded.payload, updated_at = now();
    return null;
end
$$;
