import type { MigrationInterface, QueryRunner } from 'typeorm';

/** For receipts of deprovisioning (docs/adr/0016): the tree over the audit, and where announcements stand in Kafka. */
export class AddReceipts1796169600000 implements MigrationInterface {
  name = 'AddReceipts1796169600000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Roots of full subtrees: one of level n covers 256^n rows of audit_chain. What is missing is computed.
      create table audit_tiles (
        level smallint not null check (level > 0),
        place bigint   not null, -- the how-many-eth of its level, from 0
        hash  bytea    not null,
        primary key (level, place)
      );
      create trigger audit_tiles_are_append_only before update or delete or truncate on audit_tiles
        for each statement execute function audit_is_append_only();

      -- Where Kafka keeps an announcement. One that was sent again after a crash may have several.
      create table announcement_records (
        event_id     text        not null, -- of the CloudEvent
        topic        text        not null,
        partition    integer     not null,
        kafka_offset bigint      not null,
        published_at timestamptz not null default clock_timestamp(),
        primary key (event_id, topic, partition, kafka_offset)
      );
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table announcement_records, audit_tiles');
  }
}
