-- Rows of the call centre, made from the settings call_center.seed, .users, .agents and .calls.
-- A few users own most agents and most calls, as in life; three calls in a hundred belong to
-- nobody yet.
set search_path = call_center;
set max_parallel_workers_per_gather = 0;
select setseed(current_setting('call_center.seed')::float8);

insert into users (id, name, email, plan, last_seen_at)
select n,
    (array['Ada', 'Bela', 'Chen', 'Dina', 'Emre', 'Femi', 'Gita', 'Hugo', 'Ines', 'Juri'])[1 + n % 10]
        || ' ' || (array['Abel', 'Brand', 'Costa', 'Diaz', 'Eder', 'Fuchs', 'Gray'])[1 + n % 7],
    'user' || n || '@example.com',
    (array['starter', 'starter', 'team', 'enterprise'])[1 + floor(4 * random())::int],
    now() - random() * interval '3 days'
from generate_series(1, current_setting('call_center.users')::int) n;

-- Everyone owns one agent; the others go to the first users above all.
insert into agents (id, user_id, name, voice, status)
select n,
    case when n <= users then n else 1 + floor(users * random() * random())::int end,
    'agent ' || n,
    (array['alto', 'tenor', 'bass'])[1 + n % 3],
    case when random() < 0.9 then 'active' else 'paused' end
from current_setting('call_center.users') u(text), cast(u.text as int) users,
    generate_series(1, current_setting('call_center.agents')::int) n;

insert into calls (user_id, agent_id, phone, status, duration_s, cost, started_at)
select a.user_id,
    case when c.dice < 0.03 then null else a.id end,
    '+49 30 ' || lpad((c.n * 7919 % 10000000)::text, 7, '0'),
    case
        when c.dice < 0.03 then 'queued'
        when c.dice < 0.70 then 'answered'
        when c.dice < 0.92 then 'missed'
        else 'failed'
    end,
    case when c.dice between 0.03 and 0.70 then 10 + floor(900 * c.length)::int else 0 end,
    case when c.dice between 0.03 and 0.70 then round((0.05 + 0.9 * c.length)::numeric, 4) else 0 end,
    now() - (total - c.n) * interval '6 seconds'
from current_setting('call_center.calls') t(text), cast(t.text as int) total,
    (select n, random() dice, random() length,
        1 + floor(current_setting('call_center.agents')::int * random())::int agent
     from generate_series(1, current_setting('call_center.calls')::int) n) c
    join agents a on a.id = c.agent
order by c.n;

insert into lead_analytics (call_id, user_id, score, stage)
select id, user_id, floor(100 * random())::int,
    (array['new', 'contacted', 'qualified', 'lost'])[1 + floor(4 * random())::int]
from calls
where status = 'answered' and random() < 0.6;

insert into agent_analytics (agent_id, day, calls, answered, talk_s)
select agent_id, started_at::date, count(*), count(*) filter (where status = 'answered'),
    sum(duration_s)
from calls
where agent_id is not null
group by 1, 2;

insert into credit_transactions (user_id, amount, kind, created_at)
select user_id, amount, kind, created_at
from (
    select id, 200 + 100 * floor(20 * random()), 'purchase', now() - interval '30 days' from users
    union all
    select user_id, -sum(cost), 'usage', max(started_at) from calls
    group by user_id, started_at::date
    having sum(cost) > 0
) t(user_id, amount, kind, created_at);

update users u
set credit_balance = t.total
from (select user_id, sum(amount) total from credit_transactions group by user_id) t
where t.user_id = u.id;

alter table users add primary key (id);
alter table agents add primary key (id), add foreign key (user_id) references users;
alter table calls add primary key (id), add foreign key (user_id) references users,
    add foreign key (agent_id) references agents;
alter table lead_analytics add primary key (call_id),
    add foreign key (call_id) references calls on delete cascade,
    add foreign key (user_id) references users;
alter table agent_analytics add primary key (agent_id, day),
    add foreign key (agent_id) references agents;
alter table credit_transactions add primary key (id), add foreign key (user_id) references users;

create index on agents (user_id);
create index on calls (user_id, id);
create index on calls (agent_id, id);
create index on lead_analytics (user_id);
create index on credit_transactions (user_id, id);
create index on calls (id) where status = 'queued';

analyze users, agents, calls, lead_analytics, agent_analytics, credit_transactions;
