import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How far the chain of the audit has come: a number that only grows, so that an end that was cut off shows. */
export class AddAuditHead1795737600003 implements MigrationInterface {
  name = 'AddAuditHead1795737600003';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table audit_head (
        one  boolean primary key default true check (one), -- one row
        seq  bigint not null,
        hash bytea not null
      );
      insert into audit_head (seq, hash) select seq, hash from audit_chain order by seq desc limit 1;
      create function audit_head_only_grows() returns trigger language plpgsql as $$
      begin
        if tg_op <> 'UPDATE' or new.seq <= old.seq then
          raise exception 'the head of the audit only grows' using errcode = 'insufficient_privilege';
        end if;
        return new;
      end $$;
      create trigger audit_head_only_grows before update or delete on audit_head
        for each row execute function audit_head_only_grows();
      create trigger audit_head_is_kept before truncate on audit_head
        for each statement execute function audit_is_append_only();
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table audit_head; drop function audit_head_only_grows');
  }
}
