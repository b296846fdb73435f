/** What this library needs of a logger; pino is one. Never given payloads or secrets. */
export interface KafkaLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const SILENT: KafkaLogger = { info() {}, warn() {}, error() {} };
