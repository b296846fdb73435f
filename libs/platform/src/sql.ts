import type { EntityManager } from 'typeorm';

/** What commits together. Every function that holds SQL takes it first. */
export type Tx = EntityManager;

/** Runs one statement and answers its rows, whichever command it is. */
export async function rowsOf<Row>(tx: Tx, text: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  const answer: unknown = await tx.query(text, [...parameters]);
  return (isRowsAndCount(answer) ? answer[0] : answer) as Row[];
}

/** TypeORM answers an UPDATE or DELETE with its rows and their number. */
function isRowsAndCount(answer: unknown): answer is [unknown[], number] {
  return Array.isArray(answer) && answer.length === 2 && Array.isArray(answer[0]) && typeof answer[1] === 'number';
}

/** For `unnest`: one array for each column. */
export function columns<Row>(rows: readonly Row[], ...values: ((row: Row) => unknown)[]): unknown[][] {
  return values.map((value) => rows.map(value));
}
