import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the chain of the audit does not hold yet is queued as one row for each statement that wrote to the audit, and no longer for
 * each row of it: of a mass revocation that is one for five thousand (docs/adr/0023).
 */
export class QueueStatementsForTheSeal1797033600000 implements MigrationInterface {
  name = 'QueueStatementsForTheSeal1797033600000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table audit_to_seal (
        first   bigint primary key,
        ids     bigint[] not null,
        n       integer not null, -- how many; asked without reading them
        missing boolean not null default false -- what is left of a statement whose other rows are sealed: rows that were removed
      );
      alter table audit_to_seal alter ids set storage external; -- there is nothing to gain by compressing them

      -- A sealer of the release before may be at it: it has finished, or sees an empty queue. Its table goes with a later release.
      lock table audit_unsealed in access exclusive mode;
      insert into audit_to_seal
        select min(audit_id), array_agg(audit_id), count(*) from audit_unsealed group by audit_id / 5000;
      delete from audit_unsealed;
      create or replace function audit_awaits_seal() returns trigger language plpgsql as $$
      begin
        insert into audit_to_seal select min(id), array_agg(id), count(*) from fresh having count(*) > 0;
        return null;
      end $$;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      lock table audit_to_seal in access exclusive mode;
      insert into audit_unsealed select unnest(ids) from audit_to_seal;
      drop table audit_to_seal;
      create or replace function audit_awaits_seal() returns trigger language plpgsql as $$
      begin
        insert into audit_unsealed select id from fresh;
        return null;
      end $$;
    `);
  }
}
