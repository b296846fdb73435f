import type { MigrationInterface, QueryRunner } from 'typeorm';

export class NoteUnknownSubjects1797465610000 implements MigrationInterface {
  name = 'NoteUnknownSubjects1797465610000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- When a SET came last that ends something, of a subject that cannot be told here, and the format of that subject.
      alter table sources add column unknown_subject_at timestamptz, add column unknown_subject text;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('alter table sources drop column unknown_subject_at, drop column unknown_subject');
  }
}
