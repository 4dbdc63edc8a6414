-- Turns coins_price, the table of observations, into partitions of a month each, while crawls write:
--
--     psql --file deploy/partitions.sql "$DATABASE_URL"
--
-- No row is copied: the old table becomes the first partition, with all observations before the end of this month or of
-- the next one. From then on, roll-ups make the partitions of later months, and drop those older than PRICE_RAW_DAYS.
-- Crawls wait for milliseconds, twice. If something else uses the table for more than 5 s, such as a backup, the script
-- ends with "lock timeout": run it again. Until then, or if it was stopped, the next roll-up makes the table as before.
-- Rights that you have granted to others have to be granted again. deploy/unpartition.sql is the way back.

\set ON_ERROR_STOP on

SELECT pg_advisory_lock(120325361920115);  -- as long as this session lasts, no roll-up undoes what it has begun

DO $$
DECLARE
    -- In UTC. Crawls store no time that is more than 10 minutes ahead, so none as late as this before the script ends.
    boundary timestamp := date_trunc('month', now() AT TIME ZONE 'UTC' + interval '2 days') + interval '1 month';
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'coins_price'::regclass) = 'p' THEN
        RAISE EXCEPTION 'coins_price has partitions already: there is nothing to do';
    END IF;
    IF to_regclass('coins_price_months') IS NOT NULL THEN
        RAISE EXCEPTION 'deploy/unpartition.sql was stopped before its end: run it again first';
    END IF;

    -- With a constraint that is validated while others write, the table need not be read under a lock.
    SET LOCAL lock_timeout = '5s';
    PERFORM pg_advisory_xact_lock(27980790367741299);  -- FullCoin.objects.lock_changes: no flush is half done
    ALTER TABLE coins_price DROP CONSTRAINT IF EXISTS coins_price_is_first;
    EXECUTE format(
        'ALTER TABLE coins_price ADD CONSTRAINT coins_price_is_first CHECK (time < %L) NOT VALID', boundary || '+00'
    );
    COMMIT;
    ALTER TABLE coins_price VALIDATE CONSTRAINT coins_price_is_first;
    COMMIT;

    SET LOCAL lock_timeout = '5s';
    PERFORM pg_advisory_xact_lock(27980790367741299);
    ALTER TABLE coins_price RENAME TO coins_price_first;
    ALTER TABLE coins_price_first RENAME CONSTRAINT coins_price_pkey TO coins_price_first_pkey;
    CREATE TABLE coins_price (LIKE coins_price_first, PRIMARY KEY (series_id, time)) PARTITION BY RANGE (time);
    EXECUTE format(
        'ALTER TABLE coins_price ATTACH PARTITION coins_price_first FOR VALUES FROM (MINVALUE) TO (%L)',
        boundary || '+00'
    );
    ALTER TABLE coins_price_first DROP CONSTRAINT coins_price_is_first;
    EXECUTE format(
        'CREATE TABLE %I PARTITION OF coins_price FOR VALUES FROM (%L) TO (%L)',
        to_char(boundary, '"coins_price_"YYYY_MM'), boundary || '+00', boundary + interval '1 month' || '+00'
    );
    -- For what comes after its month was dropped, and for a month that no roll-up has made a partition for.
    CREATE TABLE coins_price_default PARTITION OF coins_price DEFAULT;
END
$$;

ANALYZE coins_price;  -- autovacuum analyzes partitions, but not the table that they are part of
