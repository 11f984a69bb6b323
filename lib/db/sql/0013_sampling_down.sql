-- Takes version 13 back, as part of taking back all: the table that it altered and the functions that it
-- replaced go with version 5.

DROP FUNCTION trigperf.sorted_quantiles(bigint[], double precision, float8[], bigint);
DELETE FROM trigperf.migration WHERE version = 13;
