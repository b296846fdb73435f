export type Schema = { [keyword: string]: unknown };

/** One operation, as far as it is rendered. */
export interface Described {
  operationId: string;
  summary: string;
  security: Record<string, unknown>[];
  parameters: { name: string; in: 'path' | 'query' | 'header'; required: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}

/** An OpenAPI document as `libs/platform` writes it. */
export interface Document {
  info: { title: string; description: string };
  paths: Record<string, Record<string, Described>>;
}
