-- The whole schema at revision 0001_baseline. Frozen: a change is a new revision, see docs/adr/0011.

-- Who is loaded, how far, and how each run went.

CREATE TABLE sources (
  source_id integer GENERATED ALWAYS AS IDENTITY,
  uid text NOT NULL,
  namespace text NOT NULL,
  name text NOT NULL,
  source_type text NOT NULL,
  schedule text,
  time_zone text,
  suspended boolean DEFAULT false NOT NULL,
  max_age_seconds integer,
  accepted_shape jsonb,
  created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  updated_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  retired_at timestamptz,
  cluster text,
  CONSTRAINT sources_pkey PRIMARY KEY (source_id),
  CONSTRAINT sources_uid_key UNIQUE (uid)
);
CREATE INDEX sources_identity_idx ON sources (namespace, name, source_type, retired_at);
CREATE UNIQUE INDEX sources_namespace_name_key ON sources (namespace, name)
  WHERE retired_at IS NULL;
COMMENT ON TABLE sources
  IS 'A CryptoSource as the store knows it; a re-created one of the same name goes on';
COMMENT ON COLUMN sources.uid IS 'metadata.uid of the CryptoSource';
COMMENT ON COLUMN sources.source_type IS 'spec.type in lower case';
COMMENT ON COLUMN sources.max_age_seconds IS 'spec.freshness.maxAgeSeconds';
COMMENT ON COLUMN sources.accepted_shape IS 'field -> JSON types, of the last complete pass';
COMMENT ON COLUMN sources.cluster
  IS 'where its resource is; null: in none that an operator watches';

CREATE TABLE etl_checkpoints (
  source_id integer NOT NULL,
  cursor jsonb DEFAULT '{}'::jsonb NOT NULL,
  records_committed bigint DEFAULT 0 NOT NULL,
  observed_at timestamptz,
  run_id uuid,
  listing_digest uuid,
  epoch bigint DEFAULT 0 NOT NULL,
  updated_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT etl_checkpoints_pkey PRIMARY KEY (source_id),
  CONSTRAINT etl_checkpoints_records_committed_check CHECK (records_committed >= 0),
  CONSTRAINT etl_checkpoints_source_id_fkey FOREIGN KEY (source_id) REFERENCES sources (source_id)
);
COMMENT ON COLUMN etl_checkpoints.records_committed
  IS 'records of the current pass over the upstream that are in';
COMMENT ON COLUMN etl_checkpoints.observed_at
  IS 'newest observation ever committed: a report, no filter';
COMMENT ON COLUMN etl_checkpoints.run_id IS 'the run that wrote this row last';
COMMENT ON COLUMN etl_checkpoints.listing_digest IS 'of the ids that the last pass listed';
COMMENT ON COLUMN etl_checkpoints.epoch
  IS 'grows with each claim; a commit must carry the current one';

CREATE TABLE etl_runs (
  run_id uuid NOT NULL,
  source_id integer NOT NULL,
  source_uid text NOT NULL,
  job_name text NOT NULL,
  attempt integer DEFAULT 1 NOT NULL,
  trigger text NOT NULL,
  status text NOT NULL,
  reason text,
  message text,
  started_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  heartbeat_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  finished_at timestamptz,
  next_attempt_at timestamptz,
  processed bigint DEFAULT 0 NOT NULL,
  loaded bigint DEFAULT 0 NOT NULL,
  unchanged bigint DEFAULT 0 NOT NULL,
  rejected bigint DEFAULT 0 NOT NULL,
  pages bigint DEFAULT 0 NOT NULL,
  requests bigint DEFAULT 0 NOT NULL,
  retries bigint DEFAULT 0 NOT NULL,
  records_total bigint,
  listed integer,
  reject_reasons jsonb,
  epoch bigint DEFAULT 0 NOT NULL,
  trace_id text,
  backend_pid integer,
  backend_start timestamptz,
  host text,
  CONSTRAINT etl_runs_pkey PRIMARY KEY (run_id),
  CONSTRAINT etl_runs_source_uid_job_name_attempt_key UNIQUE (source_uid, job_name, attempt),
  CONSTRAINT etl_runs_status_check
    CHECK (status IN ('running','success','failure','interrupted','skipped')),
  CONSTRAINT etl_runs_finished_check CHECK ((status = 'running') = (finished_at IS NULL)),
  CONSTRAINT etl_runs_counts_check CHECK (processed = loaded + unchanged + rejected),
  CONSTRAINT etl_runs_source_id_fkey FOREIGN KEY (source_id) REFERENCES sources (source_id)
);
CREATE UNIQUE INDEX etl_runs_running_key ON etl_runs (source_id) WHERE status = 'running';
CREATE INDEX etl_runs_source_started_idx ON etl_runs (source_id, started_at DESC);
CREATE INDEX etl_runs_started_idx ON etl_runs (started_at DESC, run_id);
COMMENT ON COLUMN etl_runs.trigger IS 'schedule, manual, create, api, replay';
COMMENT ON COLUMN etl_runs.records_total IS 'of the whole pass, where the source knows it';
COMMENT ON COLUMN etl_runs.listed
  IS 'ids of a complete pass over the upstream; null: this run saw a part';
COMMENT ON COLUMN etl_runs.reject_reasons
  IS 'rejected records by reason; null: none, or not counted';
COMMENT ON COLUMN etl_runs.backend_pid IS 'of the session that holds the source''s lock';

CREATE TABLE etl_run_totals (
  source_id integer NOT NULL,
  status text NOT NULL,
  reason text NOT NULL,
  bucket smallint NOT NULL,
  runs bigint NOT NULL,
  seconds numeric NOT NULL,
  loaded bigint NOT NULL,
  unchanged bigint NOT NULL,
  rejected bigint NOT NULL,
  last_at timestamptz NOT NULL,
  CONSTRAINT etl_run_totals_pkey PRIMARY KEY (source_id, status, reason, bucket),
  CONSTRAINT etl_run_totals_source_id_fkey FOREIGN KEY (source_id) REFERENCES sources (source_id)
);
COMMENT ON TABLE etl_run_totals
  IS 'Every run that ever ended, replays apart; it outlives the rows of etl_runs';
COMMENT ON COLUMN etl_run_totals.bucket IS 'how many bounds are below its seconds';
COMMENT ON COLUMN etl_run_totals.seconds IS 'from start to end, summed';

CREATE TABLE schema_drifts (
  drift_id bigint GENERATED ALWAYS AS IDENTITY,
  source_id integer NOT NULL,
  run_id uuid NOT NULL,
  field text NOT NULL,
  change text NOT NULL,
  types_before jsonb NOT NULL,
  types_after jsonb NOT NULL,
  detected_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT schema_drifts_pkey PRIMARY KEY (drift_id),
  CONSTRAINT schema_drifts_change_check CHECK (change IN ('appeared','vanished','retyped')),
  CONSTRAINT schema_drifts_source_id_fkey FOREIGN KEY (source_id) REFERENCES sources (source_id)
);
CREATE INDEX schema_drifts_source_idx ON schema_drifts (source_id, drift_id);

CREATE TABLE listings (
  source_id integer NOT NULL,
  external_id text NOT NULL,
  from_epoch bigint NOT NULL,
  listed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  until_epoch bigint,
  delisted_at timestamptz,
  CONSTRAINT listings_pkey PRIMARY KEY (source_id, external_id, from_epoch),
  CONSTRAINT listings_source_id_fkey FOREIGN KEY (source_id) REFERENCES sources (source_id)
);
CREATE INDEX listings_from_idx ON listings (source_id, from_epoch);
CREATE UNIQUE INDEX listings_open_idx ON listings (source_id, external_id)
  WHERE until_epoch IS NULL;
CREATE INDEX listings_until_idx ON listings (source_id, until_epoch) WHERE until_epoch IS NOT NULL;
COMMENT ON TABLE listings
  IS 'Ids of complete passes: a row while an upstream lists an id, written when it changes';
COMMENT ON COLUMN listings.from_epoch IS 'of the first run that saw it';
COMMENT ON COLUMN listings.until_epoch IS 'of the first run that did not see it any more';

CREATE UNLOGGED TABLE rate_limits (
  bucket text NOT NULL,
  arrival numeric NOT NULL,
  CONSTRAINT rate_limits_pkey PRIMARY KEY (bucket)
);
COMMENT ON TABLE rate_limits
  IS 'Shared by all pods of one key; losing it in a crash refills the bucket';
COMMENT ON COLUMN rate_limits.bucket IS 'host and a hash of the key, never the key';
COMMENT ON COLUMN rate_limits.arrival
  IS 'theoretical arrival time of the generic cell rate algorithm, unix seconds';

CREATE FUNCTION count_run() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  took numeric := greatest(extract(epoch FROM NEW.finished_at - NEW.started_at), 0);
BEGIN
  INSERT INTO etl_run_totals AS t (source_id, status, reason, bucket, runs, seconds, loaded,
                                   unchanged, rejected, last_at)
  VALUES (NEW.source_id, NEW.status, coalesce(NEW.reason, ''),
          (SELECT count(*) FROM unnest(ARRAY[1, 5, 10, 30, 60, 300, 900]::numeric[]) AS bound
            WHERE bound < took),
          1, took, NEW.loaded, NEW.unchanged, NEW.rejected, NEW.finished_at)
  ON CONFLICT (source_id, status, reason, bucket) DO UPDATE
     SET runs = t.runs + 1, seconds = t.seconds + excluded.seconds,
         loaded = t.loaded + excluded.loaded, unchanged = t.unchanged + excluded.unchanged,
         rejected = t.rejected + excluded.rejected, last_at = greatest(t.last_at, excluded.last_at);
  RETURN NULL;
END
$function$;

CREATE TRIGGER etl_runs_count_ended AFTER UPDATE OF finished_at ON etl_runs FOR EACH ROW
  WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL AND NEW.trigger <> 'replay')
  EXECUTE FUNCTION count_run();

CREATE TRIGGER etl_runs_count_inserted AFTER INSERT ON etl_runs FOR EACH ROW
  WHEN (NEW.finished_at IS NOT NULL AND NEW.trigger <> 'replay')
  EXECUTE FUNCTION count_run();

-- What was received.

CREATE SEQUENCE raw_record_id_seq CACHE 100;

CREATE TABLE raw_records (
  source_type text NOT NULL,
  raw_id bigint NOT NULL,
  ingested_at timestamptz NOT NULL,
  source_id integer NOT NULL,
  run_id uuid NOT NULL,
  external_id text,
  observed_at timestamptz,
  digest uuid NOT NULL,
  scrubbed boolean NOT NULL,
  payload jsonb NOT NULL,
  CONSTRAINT raw_records_pkey PRIMARY KEY (source_type, raw_id, ingested_at)
) PARTITION BY LIST (source_type);
CREATE INDEX raw_records_external_id_idx ON raw_records (external_id, source_id);
COMMENT ON TABLE raw_records IS 'Payloads as received, by source type and month of arrival';
COMMENT ON COLUMN raw_records.digest IS 'of the bytes received';
COMMENT ON COLUMN raw_records.scrubbed IS 'NUL or lone surrogates became U+FFFD';

CREATE TABLE rejected_records (
  rejected_id bigint GENERATED ALWAYS AS IDENTITY,
  source_id integer NOT NULL,
  external_id text,
  digest uuid NOT NULL,
  reason text NOT NULL,
  field text,
  detail text NOT NULL,
  contract_version text NOT NULL,
  raw_id bigint NOT NULL,
  run_id uuid NOT NULL,
  occurrences bigint DEFAULT 1 NOT NULL,
  first_seen_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  last_seen_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  replayed_at timestamptz,
  CONSTRAINT rejected_records_pkey PRIMARY KEY (rejected_id),
  CONSTRAINT rejected_records_source_id_digest_reason_key UNIQUE (source_id, digest, reason)
);
CREATE INDEX rejected_records_run_idx ON rejected_records (run_id);
COMMENT ON TABLE rejected_records
  IS 'Quarantine: records that were refused, each once, with the reason';
COMMENT ON COLUMN rejected_records.run_id IS 'the run that met it last';

CREATE FUNCTION ensure_raw_partitions(kind text, months date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  month date;
  branch text := format('raw_%s', kind);
  leaf text;
  made integer := 0;
BEGIN
  IF kind !~ '^[a-z][a-z0-9]{0,39}$' THEN
    RAISE EXCEPTION 'source type % is not a lower-case word of at most 40 characters', kind;
  END IF;
  PERFORM pg_advisory_xact_lock(727001);
  IF to_regclass(branch) IS NULL THEN
    EXECUTE format('CREATE TABLE %I (LIKE raw_records INCLUDING ALL) PARTITION BY RANGE (ingested_at)', branch);
    EXECUTE format('ALTER TABLE raw_records ATTACH PARTITION %I FOR VALUES IN (%L)', branch, kind);
    made := made + 1;
  END IF;
  FOREACH month IN ARRAY months LOOP
    month := date_trunc('month', month);
    leaf := format('%s_%s', branch, to_char(month, '"y"YYYY"m"MM'));
    CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', leaf, branch);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', branch, leaf,
      month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    made := made + 1;
  END LOOP;
  RETURN made;
END
$function$;

-- What was learned: coins, the names they go by, and their observations.

CREATE TABLE assets (
  asset_id bigint GENERATED ALWAYS AS IDENTITY,
  slug text NOT NULL,
  symbol text,
  name text,
  created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT assets_pkey PRIMARY KEY (asset_id),
  CONSTRAINT assets_slug_key UNIQUE (slug)
);
COMMENT ON TABLE assets IS 'One canonical coin; asset_id never changes';
COMMENT ON COLUMN assets.slug IS 'stable and URL-safe; never reused';
COMMENT ON COLUMN assets.symbol IS 'as first seen; the current one is in unified';
COMMENT ON COLUMN assets.name IS 'as first seen';

CREATE TABLE asset_aliases (
  id_scope text NOT NULL,
  external_id text NOT NULL,
  asset_id bigint NOT NULL,
  method text NOT NULL,
  confidence numeric NOT NULL,
  evidence jsonb NOT NULL,
  created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT asset_aliases_pkey PRIMARY KEY (id_scope, external_id),
  CONSTRAINT asset_aliases_asset_id_id_scope_key UNIQUE (asset_id, id_scope),
  CONSTRAINT asset_aliases_method_check CHECK (method IN ('pinned','evidence','minted')),
  CONSTRAINT asset_aliases_confidence_check CHECK (confidence > 0 AND confidence <= 1),
  CONSTRAINT asset_aliases_asset_id_fkey FOREIGN KEY (asset_id) REFERENCES assets (asset_id)
);
COMMENT ON TABLE asset_aliases IS '(scope, external id) -> coin, and why';
COMMENT ON COLUMN asset_aliases.id_scope
  IS 'who issues the external id: a vendor, or one CSV source';

CREATE TABLE quotes (
  asset_id bigint NOT NULL,
  source_id integer NOT NULL,
  observed_at timestamptz NOT NULL,
  rank integer,
  price_usd numeric,
  market_cap_usd numeric,
  volume_24h_usd numeric,
  percent_change_24h numeric,
  run_id uuid NOT NULL,
  raw_id bigint NOT NULL,
  digest uuid NOT NULL,
  known_from timestamptz DEFAULT now() NOT NULL,
  CONSTRAINT quotes_pkey PRIMARY KEY (asset_id, source_id, observed_at),
  CONSTRAINT quotes_price_usd_sane_check CHECK (price_usd >= 0 AND price_usd < 'Infinity'),
  CONSTRAINT quotes_market_cap_usd_sane_check
    CHECK (market_cap_usd >= 0 AND market_cap_usd < 'Infinity'),
  CONSTRAINT quotes_volume_24h_usd_sane_check
    CHECK (volume_24h_usd >= 0 AND volume_24h_usd < 'Infinity'),
  CONSTRAINT quotes_percent_change_24h_sane_check
    CHECK (percent_change_24h > '-Infinity' AND percent_change_24h < 'Infinity')
) PARTITION BY RANGE (observed_at);
COMMENT ON TABLE quotes IS 'Every accepted observation, by month';
COMMENT ON COLUMN quotes.digest IS 'of the payload, BLAKE2b-128';
COMMENT ON COLUMN quotes.known_from IS 'since when it is known with these values';

CREATE TABLE superseded_quotes (
  asset_id bigint NOT NULL,
  source_id integer NOT NULL,
  observed_at timestamptz NOT NULL,
  known_from timestamptz NOT NULL,
  known_until timestamptz NOT NULL,
  rank integer,
  price_usd numeric,
  market_cap_usd numeric,
  volume_24h_usd numeric,
  percent_change_24h numeric,
  run_id uuid NOT NULL,
  raw_id bigint NOT NULL,
  CONSTRAINT superseded_quotes_pkey PRIMARY KEY (asset_id, source_id, observed_at, known_from)
);
COMMENT ON TABLE superseded_quotes
  IS 'Observations as they were until they were corrected or withdrawn';

CREATE TABLE knowledge (
  recorded_since timestamptz NOT NULL
);
COMMENT ON TABLE knowledge IS 'One row: since when it can be told what was known';

INSERT INTO knowledge (recorded_since) VALUES (now());

CREATE TABLE quotes_latest (
  source_id integer NOT NULL,
  external_id text NOT NULL,
  asset_id bigint NOT NULL,
  observed_at timestamptz NOT NULL,
  inferred_time boolean NOT NULL,
  symbol text,
  name text,
  rank integer,
  price_usd numeric,
  market_cap_usd numeric,
  volume_24h_usd numeric,
  percent_change_24h numeric,
  run_id uuid NOT NULL,
  raw_id bigint NOT NULL,
  digest uuid NOT NULL,
  CONSTRAINT quotes_latest_pkey PRIMARY KEY (source_id, external_id),
  CONSTRAINT quotes_latest_price_usd_sane_check CHECK (price_usd >= 0 AND price_usd < 'Infinity'),
  CONSTRAINT quotes_latest_market_cap_usd_sane_check
    CHECK (market_cap_usd >= 0 AND market_cap_usd < 'Infinity'),
  CONSTRAINT quotes_latest_volume_24h_usd_sane_check
    CHECK (volume_24h_usd >= 0 AND volume_24h_usd < 'Infinity'),
  CONSTRAINT quotes_latest_percent_change_24h_sane_check
    CHECK (percent_change_24h > '-Infinity' AND percent_change_24h < 'Infinity')
) WITH (fillfactor = 70);
CREATE INDEX quotes_latest_asset_idx ON quotes_latest (asset_id);
CREATE INDEX quotes_latest_rank_idx
  ON quotes_latest  (source_id, coalesce(rank, 2147483647), asset_id);
COMMENT ON TABLE quotes_latest IS 'Newest observation per (source, external id)';

CREATE TABLE unified (
  asset_id bigint NOT NULL,
  symbol text,
  name text,
  rank integer,
  price_usd numeric,
  market_cap_usd numeric,
  volume_24h_usd numeric,
  percent_change_24h numeric,
  observed_at timestamptz NOT NULL,
  source_id integer NOT NULL,
  source_ids integer[] NOT NULL,
  spread_percent numeric,
  updated_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT unified_pkey PRIMARY KEY (asset_id),
  CONSTRAINT unified_price_usd_sane_check CHECK (price_usd >= 0 AND price_usd < 'Infinity'),
  CONSTRAINT unified_market_cap_usd_sane_check
    CHECK (market_cap_usd >= 0 AND market_cap_usd < 'Infinity'),
  CONSTRAINT unified_volume_24h_usd_sane_check
    CHECK (volume_24h_usd >= 0 AND volume_24h_usd < 'Infinity'),
  CONSTRAINT unified_percent_change_24h_sane_check
    CHECK (percent_change_24h > '-Infinity' AND percent_change_24h < 'Infinity')
) WITH (fillfactor = 70);
CREATE INDEX unified_rank_idx ON unified (coalesce(rank, 2147483647), asset_id);
CREATE INDEX unified_symbol_idx ON unified (symbol);
COMMENT ON TABLE unified IS 'One row per coin across sources';
COMMENT ON COLUMN unified.rank IS 'the best of its sources';
COMMENT ON COLUMN unified.source_id IS 'whose observation this row shows';
COMMENT ON COLUMN unified.source_ids IS 'all that contribute';
COMMENT ON COLUMN unified.spread_percent IS 'highest over lowest price within an hour, in %';

CREATE TABLE tickers (
  ticker text NOT NULL,
  asset_id bigint NOT NULL,
  since timestamptz DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT tickers_pkey PRIMARY KEY (ticker)
);
CREATE INDEX tickers_asset_idx ON tickers (asset_id);
COMMENT ON TABLE tickers
  IS 'Which coin owns a ticker: the best-ranked of those that share the symbol';

CREATE TABLE ticker_moves (
  move_id bigint GENERATED ALWAYS AS IDENTITY,
  ticker text NOT NULL,
  from_asset_id bigint NOT NULL,
  to_asset_id bigint NOT NULL,
  run_id uuid NOT NULL,
  moved_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT ticker_moves_pkey PRIMARY KEY (move_id)
);
CREATE INDEX ticker_moves_run_idx ON ticker_moves (run_id, moved_at);

CREATE TABLE dataset_versions (
  dataset text NOT NULL,
  version bigint DEFAULT 0 NOT NULL,
  total bigint DEFAULT 0 NOT NULL,
  changed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT dataset_versions_pkey PRIMARY KEY (dataset)
);
COMMENT ON TABLE dataset_versions
  IS 'Exact totals and a version, written in each load''s own transaction';
COMMENT ON COLUMN dataset_versions.dataset IS 'unified, or source:<source_id>';

CREATE TABLE data_changes (
  version bigint NOT NULL,
  changed_at timestamptz NOT NULL,
  source_id integer NOT NULL,
  asset_ids bigint[] NOT NULL,
  CONSTRAINT data_changes_pkey PRIMARY KEY (version)
);
COMMENT ON TABLE data_changes
  IS 'Which coins each version changed; kept for a day, for those who follow';
COMMENT ON COLUMN data_changes.version IS 'of unified';
COMMENT ON COLUMN data_changes.source_id IS 'whose page it was';

CREATE FUNCTION ensure_quote_partitions(months date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  month date;
  leaf text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(727001);
  FOREACH month IN ARRAY months LOOP
    month := date_trunc('month', month);
    leaf := format('quotes_%s', to_char(month, '"y"YYYY"m"MM'));
    CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE quotes INCLUDING ALL)', leaf);
    EXECUTE format('ALTER TABLE quotes ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', leaf,
      month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    made := made + 1;
  END LOOP;
  RETURN made;
END
$function$;

CREATE FUNCTION keep_superseded_quote() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  ended timestamptz := greatest(now(), OLD.known_from);
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.price_usd, NEW.market_cap_usd, NEW.volume_24h_usd, NEW.percent_change_24h, NEW.rank)
       IS NOT DISTINCT FROM
       (OLD.price_usd, OLD.market_cap_usd, OLD.volume_24h_usd, OLD.percent_change_24h, OLD.rank)
    THEN
      NEW.known_from := OLD.known_from;
      RETURN NEW;
    END IF;
    NEW.known_from := ended;
  END IF;
  IF OLD.known_from < ended THEN
    INSERT INTO superseded_quotes (asset_id, source_id, observed_at, known_from, known_until,
                                   price_usd, market_cap_usd, volume_24h_usd, percent_change_24h,
                                   rank, run_id, raw_id)
    VALUES (OLD.asset_id, OLD.source_id, OLD.observed_at, OLD.known_from, ended,
            OLD.price_usd, OLD.market_cap_usd, OLD.volume_24h_usd, OLD.percent_change_24h,
            OLD.rank, OLD.run_id, OLD.raw_id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END
$function$;

CREATE TRIGGER quotes_keep_superseded BEFORE UPDATE OR DELETE ON quotes
  FOR EACH ROW EXECUTE FUNCTION keep_superseded_quote();

-- Runs that were asked for.

CREATE TABLE run_requests (
  request_id uuid NOT NULL,
  source_id integer,
  requested_by text,
  traceparent text,
  requested_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  expires_at timestamptz DEFAULT clock_timestamp() + '00:10:00'::interval NOT NULL,
  accepted_at timestamptz,
  accepted_by text,
  status text DEFAULT 'pending' NOT NULL,
  reason text,
  CONSTRAINT run_requests_pkey PRIMARY KEY (request_id),
  CONSTRAINT run_requests_status_check CHECK (status IN ('pending','accepted','refused')),
  CONSTRAINT run_requests_source_id_fkey FOREIGN KEY (source_id) REFERENCES sources (source_id)
);
CREATE INDEX run_requests_pending_idx ON run_requests (requested_at) WHERE status = 'pending';
CREATE INDEX run_requests_source_idx ON run_requests (source_id, requested_at);
COMMENT ON COLUMN run_requests.source_id IS 'null: every source';
COMMENT ON COLUMN run_requests.traceparent IS 'of the request, by W3C Trace Context';
COMMENT ON COLUMN run_requests.expires_at IS 'nobody may take it up after that';
COMMENT ON COLUMN run_requests.accepted_by IS 'who answered it, accepting or refusing';
COMMENT ON COLUMN run_requests.reason IS 'why it was refused';

CREATE TABLE run_request_jobs (
  request_id uuid NOT NULL,
  source_uid text NOT NULL,
  job_name text NOT NULL,
  CONSTRAINT run_request_jobs_pkey PRIMARY KEY (request_id, source_uid),
  CONSTRAINT run_request_jobs_request_id_fkey FOREIGN KEY (request_id)
    REFERENCES run_requests (request_id) ON DELETE CASCADE
);
COMMENT ON TABLE run_request_jobs IS 'What was started for a request';
COMMENT ON COLUMN run_request_jobs.job_name IS 'with source_uid: finds the run';

CREATE TABLE run_request_keys (
  caller text NOT NULL,
  idempotency_key text NOT NULL,
  digest bytea NOT NULL,
  request_id uuid NOT NULL,
  answer jsonb NOT NULL,
  created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT run_request_keys_pkey PRIMARY KEY (caller, idempotency_key),
  CONSTRAINT run_request_keys_request_id_fkey FOREIGN KEY (request_id)
    REFERENCES run_requests (request_id) ON DELETE CASCADE
);
CREATE INDEX run_request_keys_request_id_idx ON run_request_keys (request_id);
COMMENT ON TABLE run_request_keys IS 'Answers that are given again to who asks again';
COMMENT ON COLUMN run_request_keys.caller IS 'keys of two callers never meet';
COMMENT ON COLUMN run_request_keys.digest IS 'SHA-256 of what was asked for';

-- Who may ask the API.

CREATE TABLE api_keys (
  key_id text NOT NULL,
  name text NOT NULL,
  digest bytea NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  CONSTRAINT api_keys_pkey PRIMARY KEY (key_id),
  CONSTRAINT api_keys_digest_check CHECK (octet_length(digest) = 32),
  CONSTRAINT api_keys_scopes_check
    CHECK (scopes <@ ARRAY['read','trigger','admin'] AND cardinality(scopes) > 0)
);
COMMENT ON TABLE api_keys IS 'Keys of the API; last_used_at is true to ten minutes';
COMMENT ON COLUMN api_keys.key_id IS 'the public part of the key';
COMMENT ON COLUMN api_keys.name IS 'whom it was made for';
COMMENT ON COLUMN api_keys.digest IS 'SHA-256 of the whole key';
