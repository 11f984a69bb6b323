-- Three tables as an application would have them: a constraint for every bound, as in the report whose
-- claims this example measures. What they demand is written nowhere else; the host imports it.
create schema health_metrics;
set search_path = health_metrics;

create type symptom_type as enum (
    'headache', 'migraine', 'nausea', 'vomiting', 'dizziness', 'vertigo', 'fatigue', 'fever', 'chills',
    'cough', 'sore throat', 'runny nose', 'congestion', 'sneezing', 'shortness of breath', 'wheezing',
    'chest pain', 'palpitations', 'back pain', 'neck pain', 'joint pain', 'muscle pain', 'cramps',
    'stiffness', 'swelling', 'rash', 'itching', 'hives', 'bruising', 'dry skin', 'acne', 'hair loss',
    'abdominal pain', 'bloating', 'constipation', 'diarrhea', 'heartburn', 'loss of appetite',
    'weight loss', 'weight gain', 'thirst', 'frequent urination', 'insomnia', 'sleepiness', 'nightmares',
    'night sweats', 'hot flashes', 'sweating', 'tremor', 'numbness', 'tingling', 'weakness', 'fainting',
    'confusion', 'memory loss', 'anxiety', 'depression', 'irritability', 'mood swings', 'stress',
    'blurred vision', 'eye strain', 'dry eyes', 'tinnitus', 'ear pain', 'toothache', 'other');

create domain severity as smallint check (value between 1 and 10);
create domain heart_rate as smallint check (value between 25 and 230);

create table nutrition (
    user_id bigint not null check (user_id > 0),
    recorded_ms bigint not null check (recorded_ms > 0),
    food varchar(60) not null check (length(food) >= 2),
    meal text check (meal in ('breakfast', 'lunch', 'dinner', 'snack')),
    calories numeric(6,1) not null check (calories >= 0) check (calories <= 5000),
    protein_g numeric(5,1) check (protein_g >= 0) check (protein_g <= 500),
    carbs_g numeric(5,1) check (carbs_g >= 0) check (carbs_g <= 1000),
    fat_g numeric(5,1) check (fat_g >= 0) check (fat_g <= 500),
    fiber_g numeric(5,1) check (fiber_g >= 0) check (fiber_g <= 150),
    sugar_g numeric(5,1) check (sugar_g >= 0) check (sugar_g <= 1000),
    sodium_mg integer check (sodium_mg >= 0) check (sodium_mg <= 20000),
    potassium_mg integer check (potassium_mg >= 0) check (potassium_mg <= 20000),
    calcium_mg integer check (calcium_mg >= 0) check (calcium_mg <= 10000),
    iron_mg numeric(5,1) check (iron_mg >= 0) check (iron_mg <= 200),
    vitamin_a_mcg integer check (vitamin_a_mcg >= 0) check (vitamin_a_mcg <= 30000),
    vitamin_c_mg integer check (vitamin_c_mg >= 0) check (vitamin_c_mg <= 10000),
    vitamin_d_mcg integer check (vitamin_d_mcg >= 0) check (vitamin_d_mcg <= 1000),
    water_ml integer check (water_ml >= 0) check (water_ml <= 20000),
    check (sugar_g <= carbs_g),
    check (fiber_g <= carbs_g),
    check (lower(food) = food)
);

create table symptoms (
    user_id bigint not null check (user_id > 0),
    recorded_ms bigint not null check (recorded_ms > 0),
    symptom symptom_type not null,
    severity severity not null,
    duration_min integer check (duration_min between 0 and 43200),
    note varchar(200) check (note ~ '^[^<>]*$')
);

create table activity (
    user_id bigint not null check (user_id > 0),
    recorded_ms bigint not null check (recorded_ms > 0),
    kind text not null check (kind in ('walk', 'run', 'ride', 'swim', 'row', 'hike', 'gym', 'yoga', 'ski')),
    steps integer check (steps >= 0) check (steps <= 100000),
    distance_m numeric(9,1) check (distance_m >= 0) check (distance_m <= 500000),
    active_min integer not null check (active_min between 0 and 1440),
    resting_hr heart_rate,
    average_hr heart_rate,
    maximum_hr heart_rate,
    calories integer check (calories >= 0) check (calories <= 20000),
    check (average_hr is null or maximum_hr is null or average_hr <= maximum_hr),
    check (resting_hr is null or average_hr is null or resting_hr <= average_hr),
    check (not (kind = 'walk' and steps is null))
);
