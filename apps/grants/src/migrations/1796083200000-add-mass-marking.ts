import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What makes the marks of a mass revocation cheap to write; see docs/adr/0015. */
export class AddMassMarking1796083200000 implements MigrationInterface {
  name = 'AddMassMarking1796083200000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- A row grows as it is marked, and none of what changes is in an index. With room for its new version on the same page
      -- (of new pages; VACUUM FULL makes it for old ones) no index is written.
      alter table grants set (fillfactor = 40);

      -- One statement of a thousand rows, and not a thousand statements.
      drop trigger audit_awaits_seal on audit;
      create or replace function audit_awaits_seal() returns trigger language plpgsql as $$
      begin
        insert into audit_unsealed select id from fresh;
        return null;
      end $$;
      create trigger audit_awaits_seal after insert on audit referencing new table as fresh
        for each statement execute function audit_awaits_seal();
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      alter table grants reset (fillfactor);
      drop trigger audit_awaits_seal on audit;
      create or replace function audit_awaits_seal() returns trigger language plpgsql as $$
      begin
        insert into audit_unsealed values (new.id);
        return null;
      end $$;
      create trigger audit_awaits_seal after insert on audit for each row execute function audit_awaits_seal();
    `);
  }
}
