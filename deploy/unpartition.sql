-- Turns coins_price, which deploy/partitions.sql has given partitions, back into one table, while crawls write:
--
--     psql --file deploy/unpartition.sql "$DATABASE_URL"
--
-- All rows are copied, so there must be room for them twice. A trigger writes into the copy what changes meanwhile.
-- Crawls wait while 20,000 rows are copied (0.2 s), and for milliseconds at the start and at the end. If something else
-- uses the table then for more than 5 s, such as a backup, the script ends with "lock timeout", and the table works as
-- before. If it ended so, or was stopped, run it again, or give up with
-- DROP FUNCTION coins_price_copy CASCADE; DROP TABLE coins_price_whole;

\set ON_ERROR_STOP on

SELECT relkind = 'p' AS has_partitions, to_regclass('coins_price_months') IS NOT NULL AS is_done
FROM pg_class WHERE oid = 'coins_price'::regclass \gset

\if :has_partitions
BEGIN;
SET LOCAL lock_timeout = '5s';
SELECT pg_advisory_xact_lock(27980790367741299);  -- FullCoin.objects.lock_changes: no flush is half done
LOCK TABLE coins_price;  -- first the table, then its partitions, as everything that reads it does
DROP FUNCTION IF EXISTS coins_price_copy CASCADE;
DROP TABLE IF EXISTS coins_price_whole;
CREATE TABLE coins_price_whole (LIKE coins_price, PRIMARY KEY (series_id, time));
CREATE FUNCTION coins_price_copy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM coins_price_whole WHERE series_id = OLD.series_id AND time = OLD.time;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO coins_price_whole SELECT NEW.*;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER coins_price_copy AFTER INSERT OR UPDATE OR DELETE ON coins_price
    FOR EACH ROW EXECUTE FUNCTION coins_price_copy();
COMMIT;

DO $$
DECLARE
    last_series integer := 0;
    last_time timestamptz := '-infinity';
BEGIN
    LOOP
        PERFORM pg_advisory_xact_lock(27980790367741299);
        WITH batch AS MATERIALIZED (
            SELECT * FROM coins_price WHERE (series_id, time) > (last_series, last_time)
            ORDER BY series_id, time LIMIT 20000
        ), copied AS (
            INSERT INTO coins_price_whole SELECT * FROM batch ON CONFLICT DO NOTHING  -- the trigger was first
        )
        SELECT series_id, time INTO last_series, last_time FROM batch ORDER BY series_id DESC, time DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
    COMMIT;

    SET LOCAL lock_timeout = '5s';
    PERFORM pg_advisory_xact_lock(27980790367741299);
    LOCK TABLE coins_price;
    DROP FUNCTION coins_price_copy CASCADE;
    ALTER TABLE coins_price RENAME TO coins_price_months;
    ALTER TABLE coins_price_months RENAME CONSTRAINT coins_price_pkey TO coins_price_months_pkey;
    ALTER TABLE coins_price_whole RENAME TO coins_price;
    ALTER TABLE coins_price RENAME CONSTRAINT coins_price_whole_pkey TO coins_price_pkey;
END
$$;
\elif :is_done
\else
DO $$ BEGIN RAISE EXCEPTION 'coins_price has no partitions: there is nothing to do'; END $$;
\endif

DROP TABLE coins_price_months;  -- crawls go on already: deleting large files takes a while
ANALYZE coins_price;
