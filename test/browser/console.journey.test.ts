import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import type { StackFile } from '#testing/stack-file.js';
import { authenticate } from '../../libs/client/src/authenticate.js';
import { type Sandbox, startSandbox } from '../../tools/workos-sandbox/src/sandbox.js';
import { Client } from '../journey/client.js';
import { TestStack } from '../journey/stack.js';
import { seriousFindings } from './accessibility.js';
import { hasChromium, openPage, startChromium, type Watched, WITHOUT_CHROMIUM } from './chromium.js';

if (!hasChromium()) console.warn(WITHOUT_CHROMIUM);
const inBrowser = hasChromium() ? describe : describe.skip;

const MOST_BYTES = 250_000;

inBrowser('the console', () => {
  let running: TestStack;
  let stack: StackFile;
  let client: Client;
  let browser: Browser;
  let watched: Watched;
  let page: Page;

  beforeAll(async () => {
    running = await TestStack.create();
    [stack, browser] = await Promise.all([running.start(), startChromium()]);
    client = new Client(stack);
    watched = await openPage(browser, stack.portal);
    page = watched.page;
    await page.goto(`${stack.portal}/users`);
    await page.getByRole('textbox', { name: 'API key' }).fill(stack.adminApiKey);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Users' }).waitFor();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    await running?.stop();
    await running?.remove();
  }, 300_000);
  afterEach(() => {
    expect(watched.faults).toEqual([]);
  });

  const go = async (path: string): Promise<void> => {
    await page.goto(stack.portal + path);
    await page.getByRole('heading', { level: 1 }).waitFor();
  };
  const row = (text: string) => page.getByRole('row').filter({ hasText: text });
  const see = (text: string | RegExp) => page.getByText(text).first().waitFor();

  test('nobody sees anything before they have signed in; a wrong key gets its own sentence', async () => {
    const stranger = await openPage(browser, stack.portal);
    await stranger.page.goto(`${stack.portal}/users`);
    await stranger.page.getByRole('textbox', { name: 'API key' }).fill('rsk_of_nobody');
    await stranger.page.keyboard.press('Enter');
    await stranger.page.getByText(/No API key of this installation is like this/).waitFor();
    expect(await stranger.page.getByRole('link', { name: 'Users' }).count()).toBe(0);
    expect(await seriousFindings(stranger.page)).toEqual([]);
    await stranger.context.close();
  });

  test('the first load is at most 250 kB, as the browser counts it', async () => {
    const fresh = await openPage(browser, stack.portal);
    await fresh.page.goto(stack.portal);
    await fresh.page.getByRole('textbox', { name: 'API key' }).waitFor();
    const bytes = await fresh.page.evaluate(() =>
      performance
        .getEntries()
        .reduce((sum, entry) => sum + (entry instanceof PerformanceResourceTiming ? entry.encodedBodySize : 0), 0),
    );
    expect(bytes).toBeGreaterThan(50_000);
    expect(bytes).toBeLessThanOrEqual(MOST_BYTES);
    await fresh.context.close();
  });

  test('how long it takes until somebody can type, and until the first list is there: said, not judged', async () => {
    const fresh = await openPage(browser, stack.portal);
    const until = async (path: string, seen: () => Promise<void>): Promise<number> => {
      await fresh.page.goto(stack.portal + path, { waitUntil: 'commit' });
      await seen();
      return Math.round(await fresh.page.evaluate<number>('performance.now()'));
    };
    const signIn = await until('/', () => fresh.page.getByRole('textbox', { name: 'API key' }).waitFor());
    await fresh.context.addCookies(await watched.context.cookies());
    const list = await until('/providers', () =>
      fresh.page.getByRole('table', { name: 'Identity providers' }).waitFor(),
    );
    console.info(`the console: sign-in page ready after ${signIn} ms, a list after ${list} ms`);
    await fresh.context.close();
  });

  test('somebody signs in with AuthKit and is in the list; deleted in WorkOS, their grants end before one’s eyes', async () => {
    const email = `ada.${Date.now().toString(36)}@example.test`;
    const { id } = await client.workos('POST', '/user_management/users', { email, email_verified: true });
    const theirs = await openPage(browser, stack.portal);
    await theirs.page.goto(stack.portal);
    await theirs.page.getByRole('link', { name: /^Sign in with/ }).click();
    await theirs.page.getByLabel('Email').fill(email);
    await theirs.page.keyboard.press('Enter');
    await theirs.page.getByRole('heading', { name: 'My access' }).waitFor();
    expect(await seriousFindings(theirs.page)).toEqual([]);
    expect((await client.makeGrant({ user_id: id })).status).toBe(201);
    await theirs.page.getByRole('row').filter({ hasText: 'vault:production' }).getByText('active').waitFor();
    // What they do not need any more they give back.
    await client.makeGrant({ user_id: id }, 'repo:billing');
    const theirRow = theirs.page.getByRole('row').filter({ hasText: 'repo:billing' });
    await theirRow.getByRole('button', { name: 'Give back…' }).click();
    await theirs.page.getByRole('dialog').getByRole('button', { name: 'Give back' }).click();
    await theirRow.getByText('revoked', { exact: true }).waitFor();
    // They are told of themselves, and of nobody else.
    const told = await theirs.page.evaluate<{ user_id?: string }[]>(
      `new Promise((resolve) => {
        const told = [];
        const feed = new EventSource('/api/feed');
        for (const kind of ['webhook', 'applied', 'revoked', 'refused', 'provider', 'guard'])
          feed.addEventListener(kind, ({ data }) => {
            told.push(JSON.parse(data));
            if (told.at(-1).user_id === '${String(id)}') resolve((feed.close(), told));
          });
      })`,
    );
    expect(new Set(told.map(({ user_id }) => user_id))).toEqual(new Set([id]));

    await go('/users');
    await page.getByLabel('Search users').fill(email.slice(0, 10));
    await row(email).getByRole('link').first().click();
    await page.getByRole('heading', { name: email }).waitFor();
    await row('vault:production').getByText('active').waitFor();
    await page.evaluate(`window.name = 'not loaded again'`);

    await client.workos('DELETE', `/user_management/users/${String(id)}`);

    await row('vault:production').getByText('revoked').waitFor();
    const why = page.getByRole('alert').filter({ hasText: 'The user was deleted' });
    await why.getByRole('link').waitFor();
    expect(await page.evaluate('window.name')).toBe('not loaded again');
    // Their own page ends too, by the same rule: live, so by whatever was closed first.
    const reasons = /The user was deleted|The session was ended|No longer a member/;
    await theirs.page.getByRole('alert').filter({ hasText: reasons }).waitFor();
    await theirs.context.close();

    await why.getByRole('link').click();
    await page.getByRole('heading', { name: 'user.deleted' }).waitFor();
    await page.getByRole('table', { name: 'What it did' }).waitFor();
    await page.getByRole('link', { name: 'Live', exact: true }).click();
    const story = page.getByRole('list', { name: 'What happened, newest first' });
    await story.locator('[data-kind=webhook]').filter({ hasText: 'user.deleted' }).first().waitFor();
    await story.locator('[data-kind=revoked]').filter({ hasText: 'The user was deleted' }).first().waitFor();
  });

  test('a tool signs somebody in: they compare the code, and the tool gets who they are', async () => {
    const email = `tool.${Date.now().toString(36)}@example.test`;
    const { id } = await client.workos('POST', '/user_management/users', { email, email_verified: true });
    const theirs = await openPage(browser, stack.portal);
    const identity = authenticate({
      portal: stack.portal,
      provider: stack.provider.id,
      clientName: 'deploy-tool',
      file: null,
      openBrowser: false,
      tell: ({ url, code }) => void inTheirBrowser(url, code),
    });
    const inTheirBrowser = async (url: string, code: string): Promise<void> => {
      await theirs.page.goto(url);
      await theirs.page.getByRole('heading', { name: 'Sign in to deploy-tool?' }).waitFor();
      await theirs.page.getByText(code).waitFor();
      await theirs.page.getByRole('button', { name: 'Continue' }).click();
      await theirs.page.getByLabel('Email').fill(email);
      await theirs.page.keyboard.press('Enter');
    };
    expect(await identity).toMatchObject({ user: { id, email } });
    await theirs.page.getByRole('heading', { name: 'Signed in' }).waitFor();
    expect(await seriousFindings(theirs.page)).toEqual([]);
    expect(theirs.faults.filter((fault) => /Content Security Policy/.test(fault))).toEqual([]);
    await theirs.context.close();
  });

  test('a pasted token is taken apart and judged, and what is no token gets its own sentence', async () => {
    const person = await client.person();
    await go('/verify');
    const box = page.getByRole('textbox', { name: 'Token' });
    await box.fill('sk_test_1234567890');
    await see(/This is a WorkOS API key/);
    await box.fill(`Authorization: Bearer ${person.token}`);
    await page.getByText(person.sessionId).waitFor();
    await page.getByRole('button', { name: 'Judge it' }).click();
    await page.getByRole('alert').filter({ hasText: 'Active' }).waitFor();

    await client.workos('POST', '/user_management/sessions/revoke', { session_id: person.sessionId });
    await expectEventually(async () => {
      await page.getByRole('button', { name: 'Judge it' }).click();
      return page.getByText('Refused: The session was ended').isVisible();
    });
    await page.getByRole('button', { name: 'Forget it' }).click();
    expect(await page.content()).not.toContain(person.token);
  });

  test('revocation: looked at first, then done; some grants, or all of somebody’s', async () => {
    const person = await client.person();
    const holder = { user_id: person.userId, organization_id: person.organizationId };
    for (const resource of ['vault:a', 'vault:b', 'vault:c']) await client.makeGrant(holder, resource);
    await go(`/grants?user_id=${person.userId}`);
    await page.getByLabel('Choose vault:a').check();
    await page.getByRole('button', { name: 'Revoke 1 chosen' }).click();
    await page.getByRole('dialog').getByLabel('Reason').fill('not needed');
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await row('vault:a').getByText('revoked').waitFor();
    await row('vault:b').getByText('active').waitFor();

    await page.getByRole('button', { name: 'Revoke everything of this filter…' }).click();
    await see('2 active grants would end');
    expect(await seriousFindings(page)).toEqual([]);
    expect(await client.verdict(person.token)).toBe('active');
    await page.getByRole('dialog').getByLabel('Reason').fill('laptop stolen');
    await page.getByRole('button', { name: 'Revoke now' }).click();
    await see(/2 active grants ended/);
    await page.getByRole('dialog').getByRole('button', { name: 'Close', exact: true }).last().click();
    await row('vault:b').getByText('revoked').waitFor();
    await row('vault:c').getByText('laptop stolen').waitFor();
  });

  test('an API key is made, shown this once, and revoked', async () => {
    await go('/portal-access');
    await page.getByRole('button', { name: 'New API key' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('gateway');
    await page.getByRole('dialog').getByRole('combobox', { name: 'What it may do' }).press('ArrowDown');
    await page.getByRole('option', { name: /^verify:/ }).click();
    await page.getByRole('dialog').getByLabel('Name').press('Enter');
    const key = (await page.getByRole('dialog').getByText(/^rsk_/).textContent())!;
    await page.getByRole('button', { name: 'I have it' }).click();
    await row('gateway').getByText('active').waitFor();
    expect(await page.content()).not.toContain(key);
    const judge = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const asked = { method: 'POST', headers, body: JSON.stringify({ token: 'none' }) };
      return (await fetch(`${stack.tokenVerification}/v1/tokens/verify`, asked)).status;
    };
    await expectEventually(async () => (await judge()) === 200);
    await page.getByRole('button', { name: 'Revoke gateway' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await row('gateway').getByText('revoked').waitFor();
    await expectEventually(async () => (await judge()) === 401);
  });

  test('whoever else is told: what was said, each try, and said again', async () => {
    let asked = 0;
    const receiver = createServer((request, response) => {
      request.resume().once('end', () => response.writeHead(asked++ === 0 ? 500 : 200).end());
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/rescind`;
    try {
      const made = await client.api('signals', 'POST', '/v1/streams', { kind: 'webhook', url, description: 'The CRM' });
      const person = await client.person();
      await client.workos('DELETE', `/user_management/users/${person.userId}`);
      await go(`/deliveries?stream_id=${String(made.body['id'])}`);
      await page.getByRole('table', { name: 'Who is told' }).getByText('The CRM').waitFor();
      const deliveries = page.getByRole('table', { name: 'Deliveries' });
      const tried = (times: string) => page.getByRole('button', { name: times, exact: true });
      const second = deliveries.getByRole('row').filter({ has: tried('2') });
      await second.getByText('delivered').waitFor();
      await second.getByText('access.revoked').waitFor();
      await tried('2').click();
      const tries = page.getByRole('dialog').getByRole('table', { name: 'Tries' });
      await tries.getByRole('row').filter({ hasText: '500' }).waitFor();
      await tries.getByRole('row').filter({ hasText: '200' }).waitFor();
      await page.keyboard.press('Escape');
      await second.getByRole('button', { name: 'Send again' }).click();
      await deliveries
        .getByRole('row')
        .filter({ has: tried('3') })
        .getByText('delivered')
        .waitFor();
    } finally {
      receiver.closeAllConnections();
      receiver.close();
    }
  });

  test('whoever else may end access: added, polled, why not, and removed', async () => {
    let status = 401;
    const transmitter = createServer((request, response) => {
      request.resume().once('end', () => response.writeHead(status).end(JSON.stringify({ sets: {} })));
    });
    await new Promise<void>((resolve) => transmitter.listen(0, '127.0.0.1', resolve));
    const issuer = `http://127.0.0.1:${(transmitter.address() as AddressInfo).port}`;
    try {
      await go('/deliveries');
      await page.getByRole('button', { name: 'Add a source' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Name').fill('The directory');
      await dialog.getByLabel('Issuer').fill(issuer);
      await dialog.getByText('We poll it').click();
      await dialog.getByLabel('Audience').fill('https://us.example.com');
      await dialog.getByLabel('Endpoint').fill(`${issuer}/poll`);
      await dialog.getByLabel('Authorization').fill('Bearer of-the-stream');
      expect(await seriousFindings(page)).toEqual([]);
      await dialog.getByRole('button', { name: 'Add it' }).click();
      await dialog.getByRole('button', { name: 'Close' }).last().click();
      const source = page.getByRole('table', { name: 'Who else may end access' }).getByRole('row').filter({
        hasText: 'The directory',
      });
      await source.getByText(/it does not take our authorization/).waitFor();
      status = 200;
      await source.getByText(/ago|now/).waitFor();
      await source.getByText(/it does not take our authorization/).waitFor({ state: 'detached' });
      await source.getByRole('button', { name: 'Remove The directory' }).click();
      await dialog.getByRole('button', { name: 'Remove' }).click();
      await page.getByText('Nobody else', { exact: true }).waitFor();
    } finally {
      transmitter.closeAllConnections();
      transmitter.close();
    }
  });

  test('whoever else may end access: found by their issuer, connected, verified, and removed', async () => {
    const { body: receiver } = await client.api('signals', 'POST', '/v1/receivers', { name: 'ourselves' });
    await go('/deliveries');
    await page.getByRole('button', { name: 'Add a source' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Ourselves');
    await dialog.getByLabel('Issuer').fill('http://169.254.169.254');
    await dialog.getByRole('button', { name: 'Discover' }).click();
    await dialog.getByText(/not public/).waitFor();
    await dialog.getByLabel('Issuer').fill(stack.signals);
    await dialog.getByRole('button', { name: 'Discover' }).click();
    await dialog.getByText('Polled').click();
    await dialog.getByRole('textbox', { name: 'Client' }).fill(String(receiver['id']));
    await dialog.getByLabel('Its secret').fill(String(receiver['key']));
    expect(await dialog.getByLabel('Token endpoint').inputValue()).toBe(`${stack.signals}/oauth2/token`);
    expect(await seriousFindings(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Connect' }).click();
    await dialog.getByText(/session-revoked, account-disabled, account-purged/).waitFor();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.getByRole('button', { name: 'The stream of Ourselves' }).click();
    await dialog.getByText('enabled', { exact: true }).first().waitFor();
    await dialog.getByText(/came back/).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Remove Ourselves' }).click();
    await dialog.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('button', { name: 'Remove Ourselves' }).waitFor({ state: 'detached' });
  });

  test('the canary: when it last came through, and how fast', async () => {
    await go('/health');
    await page
      .locator('[data-canary=refused]')
      .getByText(/after its webhook/)
      .waitFor();
  });

  test('the audit leaves out what the canary does each minute, says so, and shows it', async () => {
    await go('/audit');
    const ofCanary = page.getByRole('table', { name: 'Audit of access' }).getByTitle(/^rescind-canary\//);
    await page.getByRole('table', { name: 'Audit of access' }).waitFor();
    expect(await ofCanary.count()).toBe(0);
    await page.getByRole('button', { name: 'Show them' }).click();
    await ofCanary.first().waitFor();
    expect(new URL(page.url()).searchParams.get('provider_id')).toBe('rescind-canary');
    await go('/audit?of=settings');
    await page.getByRole('table', { name: 'Audit of settings' }).getByText('all settings').first().waitFor();
  });

  test('what cannot be known is not called none, and what was so before does not pass for what is so now', async () => {
    const person = await client.person();
    await go(`/users/${person.userId}?provider_id=${stack.provider.id}`);
    await page.getByRole('heading', { name: person.email }).waitFor();
    const away = { type: 'about:blank', title: 'Service Unavailable', status: 503, code: 'grants_unavailable' };
    const answer = { status: 503, contentType: 'application/problem+json', body: JSON.stringify(away) };
    const ofGrants = /\/api\/grants\/|\/v1\/identity-providers$/;
    const signals = page.getByRole('region', { name: 'Signals', exact: true });
    await page.route(ofGrants, (route) => route.fulfill(answer));
    try {
      // The page asks again by itself.
      await page.getByRole('alert').filter({ hasText: 'This could not be loaded' }).first().waitFor();
      await page.getByRole('heading', { name: person.email }).waitFor();
      await go('/');
      await page.locator('main').getByText('not known').nth(3).waitFor();
      expect(await page.getByText('none yet').count()).toBe(0);
      await go('/health');
      await signals.getByRole('alert').waitFor();
      expect(await page.getByText('No identity provider yet').count()).toBe(0);
      // The portal is there, and grants is not.
      await page.route(/\/v1\/identity-providers$/, (route) => route.continue());
      await signals.getByRole('table').getByText('not known').first().waitFor();
      expect(await page.getByText('not checked against the Events API').count()).toBe(0);
      await page.getByRole('region', { name: 'Webhooks that did not come in time' }).getByRole('alert').waitFor();
    } finally {
      await page.unroute(ofGrants);
      await page.unroute(/\/v1\/identity-providers$/);
    }
    await signals.getByRole('table').getByText('not known').first().waitFor({ state: 'detached' });
  });

  test('what is not there has a page that says so', async () => {
    for (const place of ['/nowhere', '/users/user_nobody', '/providers/idp_nobody', '/grants/grant_nobody']) {
      await go(place);
      await see(/There is nothing at this address|There is no such thing here/);
      expect(await seriousFindings(page)).toEqual([]);
    }
  });

  test('what was set aside is seen, and sent again', async () => {
    await fetch(`${stack.sandbox}/_sandbox/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ event: 'user.deleted', data: { object: 'user' } }),
    });
    await go('/set-aside');
    await page.getByRole('button', { name: 'Send again', exact: true }).first().click();
    await page.getByRole('row').filter({ hasText: 'sent again' }).filter({ hasText: 'by admin' }).first().waitFor();
  });

  test('a mass deprovisioning waits for somebody, who confirms it', async () => {
    const provider = `/v1/identity-providers/${stack.provider.id}`;
    await client.api('portal', 'PATCH', provider, { guard: { max_users: 1, window_seconds: 3_600 } });
    const people = [await client.person(), await client.person(), await client.person()];
    for (const person of people) await client.makeGrant({ user_id: person.userId });
    await expectEventually(async () => {
      for (const { membershipId } of people) {
        await client.workos('PUT', `/user_management/organization_memberships/${membershipId}/deactivate`);
      }
      const trips = await client.api('grants', 'GET', '/v1/guard-trips?status=paused');
      if ((trips.body['data'] as unknown[]).length > 0) return true;
      for (const { membershipId } of people) {
        await client.workos('PUT', `/user_management/organization_memberships/${membershipId}/reactivate`);
      }
      return false;
    });
    await go('/guards');
    await row('paused').getByRole('button', { name: 'Confirm…' }).click();
    await page.getByRole('dialog').getByLabel('Note').fill('asked their manager');
    await page.getByRole('dialog').getByRole('button', { name: 'Confirm' }).click();
    await row('confirmed').filter({ hasText: 'asked their manager' }).waitFor();
    await client.api('portal', 'PATCH', provider, { guard: null });
  });

  test('a provider is deleted, and by nobody by accident', async () => {
    const { body } = await client.api('portal', 'POST', '/v1/identity-providers', {
      name: 'An old one',
      kind: 'oidc',
      issuers: ['https://old.example.com'],
      jwks_uri: stack.provider.jwksUri,
      audience: 'old',
    });
    await go(`/providers/${String(body['id'])}`);
    await page.getByRole('heading', { name: 'An old one' }).waitFor();
    await page.getByRole('button', { name: 'Delete…' }).click();
    const button = page.getByRole('dialog').getByRole('button', { name: 'Delete' });
    expect(await button.isDisabled()).toBe(true);
    await page.getByRole('dialog').getByLabel('Type An old one to go on').fill('An old one');
    await button.click();
    await page.getByRole('heading', { name: 'Identity providers' }).waitFor();
    await expectEventually(async () => (await page.getByRole('link', { name: 'An old one' }).count()) === 0);
  });

  describe('setting up a provider', () => {
    let sandbox: Sandbox;
    beforeAll(async () => {
      sandbox = await startSandbox();
    });
    afterAll(() => sandbox.close());

    test('from a pasted issuer to a delivery that turns the page green; each mistake gets its own sentence', async () => {
      await go('/providers/new');
      const issuer = page.getByRole('textbox', { name: 'Issuer' });
      await issuer.fill('https://dashboard.workos.com/environment_01/home');
      await issuer.press('Enter');
      await see(/dashboard/i);
      await issuer.fill('whsec_1234567890abcdef');
      await issuer.press('Enter');
      await page
        .locator('p', { hasText: /secret/ })
        .first()
        .waitFor();
      await issuer.fill(sandbox.issuer);
      await page.getByRole('button', { name: 'Discover' }).click();
      await page.getByRole('status').filter({ hasText: sandbox.issuer }).waitFor();
      await page.getByRole('textbox', { name: 'Name' }).fill('A second one');
      await page.getByRole('button', { name: 'Add A second one' }).click();
      await see('Look at it once, and confirm it.');
      await page.getByRole('checkbox', { name: /names the organization/ }).check();
      expect(await seriousFindings(page)).toEqual([]);
      await page.getByRole('button', { name: 'Add A second one' }).click();

      await page.getByRole('button', { name: 'Enable webhooks' }).click();
      const url = (await page.getByText(/\/webhooks\/workos\/[\w-]{20,}/).textContent())!;
      await see('organization_membership.updated');
      const secret = page.getByRole('textbox', { name: 'Signing secret' });
      await secret.fill('sk_test_1234567890');
      await secret.press('Enter');
      await see(/This is a WorkOS API key/);
      const endpoint = await workos(sandbox, 'POST', '/webhook_endpoints', {
        endpoint_url: url,
        events: ['user.created'],
      });
      await secret.fill(String(endpoint['secret']));
      await secret.press('Enter');
      await page.getByRole('row').filter({ hasText: 'of WorkOS' }).waitFor();
      await see('Waiting for the first delivery…');
      expect(await seriousFindings(page)).toEqual([]);

      await expectEventually(async () => (await fetch(url, { method: 'POST' })).status !== 404);
      await workos(sandbox, 'POST', '/user_management/users', { email: 'first@example.test' });
      await see('Deliveries arrive');

      await page.getByRole('button', { name: 'Next: sign-in' }).click();
      await see(/\/auth\/idp_\w+\/callback$/);
      const key = page.getByRole('textbox', { name: 'API key' });
      await key.fill('client_01ABC');
      await key.press('Enter');
      await see(/is no API key/);
      await key.fill(sandbox.apiKey);
      await key.press('Enter');
      await page.getByRole('list', { name: 'What is verified end to end' }).waitFor();
      await page.locator('[data-done=true]').filter({ hasText: 'A webhook has come in' }).waitFor();
      await page.locator('[data-done=false]').filter({ hasText: 'A token of this provider was good' }).waitFor();
      await page.locator('[data-done=false]').filter({ hasText: 'A revocation went all the way' }).waitFor();
      await page.locator('[data-done=false]').filter({ hasText: 'Somebody has signed in with AuthKit' }).waitFor();
      // At the other one, both were seen.
      await go(`/providers/${stack.provider.id}`);
      await page.locator('[data-done=true]').filter({ hasText: 'A revocation went all the way' }).waitFor();
      await page.locator('[data-done=true]').filter({ hasText: 'Somebody has signed in with AuthKit' }).waitFor();
    });
  });

  describe('nothing serious is found by axe', () => {
    const places = [
      '/',
      '/health',
      '/users',
      '/grants',
      '/revocations',
      '/verify',
      '/events',
      '/deliveries',
      '/set-aside',
      '/guards',
      '/shadow',
      '/reconciliations',
      '/providers',
      '/portal-access',
      '/audit',
      '/audit?of=settings',
    ];
    test.each([
      ['wide and light', {}, undefined],
      // What is different there: colors, and what does not fit.
      ['narrow and dark', { dark: true, narrow: true }, ['color-contrast', 'link-in-text-block']],
    ])('%s', async (_, options, rules) => {
      const other = await openPage(browser, stack.portal, options);
      await other.context.addCookies(await watched.context.cookies());
      const found: string[] = [];
      const person = await client.person();
      const provider = `/providers/${stack.provider.id}`;
      const ofPerson = `/users/${person.userId}?tab=`;
      for (const place of [...places, provider, `${provider}/set-up`, `${ofPerson}memberships`, `${ofPerson}scopes`]) {
        await other.page.goto(stack.portal + place);
        await other.page.getByRole('heading', { level: 1 }).waitFor();
        await other.page.locator('main:not(:has([aria-label=Loading]))').waitFor();
        for (const finding of await seriousFindings(other.page, rules)) found.push(`${place}: ${finding}`);
        const tooWide = await other.page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
        if (tooWide > 0) found.push(`${place}: ${tooWide} px wider than the window: ${await widest(other.page)}`);
      }
      expect(found).toEqual([]);
      expect(other.faults).toEqual([]);
      await other.context.close();
    });
  });

  test('a keyboard is enough', async () => {
    await go('/');
    await page.locator('a.skip').focus();
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('content');
    await page.getByRole('link', { name: 'Users' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Users' }).waitFor();
    expect(await page.getByRole('link', { name: 'Users' }).getAttribute('aria-current')).toBe('page');
  });

  test('who has signed out sees nothing any more', async () => {
    await go('/');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('textbox', { name: 'API key' }).waitFor();
    await go('/users');
    await page.getByRole('textbox', { name: 'API key' }).waitFor();
  });
});

/** What does not fit into the window. */
const widest = (page: Page): Promise<string> =>
  page.evaluate<string>(`String(
    [...document.querySelectorAll('body *')]
      .filter((one) => one.getBoundingClientRect().right > window.innerWidth)
      .map((one) => one.outerHTML)
      .sort((a, b) => a.length - b.length)[0],
  ).slice(0, 300)`);

async function workos(sandbox: Sandbox, method: string, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await fetch(sandbox.url + path, {
    method,
    headers: { authorization: `Bearer ${sandbox.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
  return (await answer.json()) as Record<string, unknown>;
}

async function expectEventually(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 90_000; !(await holds());) {
    if (performance.now() > deadline) throw new Error('it did not come to hold within 90 s');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
