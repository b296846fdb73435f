-- The roles of Rescind in Postgres, for installations where not even Rescind itself may rewrite its audit (docs/adr/0012).
-- Run once by a superuser, or by whoever may make roles, in the database that Rescind is to use; again does no harm:
--
--   psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -f deploy/postgres/roles.sql
--   psql "$ADMIN_URL" -c '\password rescind_migrator' -c '\password rescind_grants' -c '\password rescind_portal' \
--     -c '\password rescind_signals'
--
-- Then MIGRATION_DATABASE_URL has rescind_migrator; DATABASE_URL has rescind_grants in grants, rescind_portal in the portal,
-- rescind_signals in signals. What each may do with which table is granted with the migrations, since only they know the
-- tables: see `rights` in grants-schema.ts, portal-schema.ts and signals-schema.ts.

do $$
declare
  name text;
begin
  foreach name in array array['rescind_migrator', 'rescind_grants', 'rescind_portal', 'rescind_signals'] loop
    if not exists (select 1 from pg_roles where rolname = name) then
      execute format('create role %I login nosuperuser nocreatedb nocreaterole noreplication nobypassrls', name);
    end if;
  end loop;
  -- So that whoever runs this, and is no superuser, may make schemas for it.
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant rescind_migrator to %I', current_user);
  end if;
  execute format(
    'grant connect on database %I to rescind_migrator, rescind_grants, rescind_portal, rescind_signals', current_database()
  );
  execute format('grant create on database %I to rescind_migrator', current_database());
  -- Temporary tables are nobody's business here.
  execute format(
    'revoke create, temporary on database %I from public, rescind_grants, rescind_portal, rescind_signals',
    current_database()
  );
end $$;

-- rescind_migrator owns the schemas and everything in them. Nobody works as it: it is used by migrations alone.
create schema if not exists grants authorization rescind_migrator;
create schema if not exists portal authorization rescind_migrator;
create schema if not exists signals authorization rescind_migrator;
revoke all on schema grants, portal, signals from public;
grant usage on schema grants to rescind_grants;
grant usage on schema portal to rescind_portal;
grant usage on schema signals to rescind_signals;
