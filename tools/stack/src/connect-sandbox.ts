import { z } from 'zod';
import { connectSandbox, registerProvider } from './configure.js';
import { sentenceFor } from './terminal.js';

// For docker-compose.yml: registers the sandbox as identity provider and switches its webhooks on; then it ends.
const environment = z.object({
  PORTAL_URL: z.url(),
  TOKEN_VERIFICATION_URL: z.url(),
  SANDBOX_URL: z.url(),
  RESCIND_API_KEY: z.string().min(1),
  WORKOS_API_KEY: z.string().min(1),
  WORKOS_CLIENT_ID: z.string().min(1),
});

try {
  const env = environment.parse(process.env);
  const urls = { portal: env.PORTAL_URL, tokenVerification: env.TOKEN_VERIFICATION_URL, sandbox: env.SANDBOX_URL };
  const keys = {
    adminApiKey: env.RESCIND_API_KEY,
    sandboxApiKey: env.WORKOS_API_KEY,
    sandboxClientId: env.WORKOS_CLIENT_ID,
  };
  const provider = await registerProvider(urls, keys);
  await connectSandbox(urls, keys, provider);
  console.log(`The sandbox is connected as the identity provider ${provider.id}.`);
} catch (error) {
  console.error(error instanceof z.ZodError ? z.prettifyError(error) : sentenceFor(error));
  process.exit(1);
}
