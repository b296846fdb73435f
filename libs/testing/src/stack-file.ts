/** `.local/stack.json`: where everything of a running stack is, for programs. */
export interface StackFile {
  portal: string;
  webhookIngress: string;
  grants: string;
  tokenVerification: string;
  signals: string;
  sandbox: string;
  kafkaBrokers: string;
  databaseUrl: string;
  adminApiKey: string;
  introspection: { clientId: string; clientSecret: string };
  provider: { id: string; issuer: string; jwksUri: string; clientId: string; audience: string; apiKey: string };
  webhook: { url: string; secret: string };
  pids: Record<string, number>;
}
