import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Public } from '#platform/api-key.guard.js';
import type { Logger } from '#platform/logging.js';
import { Problem, toProblem } from '#platform/problem.js';
import { LOGGER } from '#platform/service.module.js';
import { valid } from '#platform/validation.js';
import { DeviceSignIns } from './device.js';
import { ProviderSignIn, returnPath, type SignedIn } from './auth-kit.js';
import { type Page, sendPage } from './pages.js';
import { PortalAuthentication } from './portal-authentication.js';
import { SignInPublisher } from './sign-in-publisher.js';
import { SignInsUnderWay, type UnderWay } from './under-way.js';

export const deviceQuery = z.object({ user_code: z.string().optional() });
export const loginQuery = z.object({ return_to: z.string().optional() });
export const callbackQuery = z.object({
  state: z.string().max(200).optional(),
  code: z.string().max(2_000).optional(),
  error: z.string().max(200).optional(),
});

/** Signing in with AuthKit, in a browser: for the page, and for a tool that waits. */
@Public()
@Controller('auth/:provider')
export class AuthKitController {
  constructor(
    @Inject(SignInsUnderWay) private readonly ways: SignInsUnderWay,
    @Inject(ProviderSignIn) private readonly signIn: ProviderSignIn,
    @Inject(PortalAuthentication) private readonly portal: PortalAuthentication,
    @Inject(DeviceSignIns) private readonly devices: DeviceSignIns,
    @Inject(SignInPublisher) private readonly publisher: SignInPublisher,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get('login')
  async login(
    @Param('provider') providerId: string,
    @Query(valid(loginQuery)) { return_to }: z.output<typeof loginQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.ways.setOut(reply, providerId, { returnTo: returnPath(return_to) });
  }

  @Get('callback')
  callback(
    @Param('provider') providerId: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    return this.finish(providerId, request, reply, async ({ returnTo }, signedIn) => {
      await this.portal.openFor(request, reply, signedIn);
      void reply.redirect(returnTo, 303);
    });
  }

  /** Where the person compares the code with the tool's, and says that it is theirs. */
  @Get('device')
  async device(
    @Param('provider') providerId: string,
    @Query(valid(deviceQuery)) { user_code: userCode }: z.output<typeof deviceQuery>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const kit = await this.signIn.kitOf(providerId);
    const found = userCode === undefined ? undefined : await this.devices.find(providerId, userCode);
    if (!found) {
      return sendPage(reply, {
        status: userCode === undefined ? 200 : 404,
        title: 'Sign in to a tool',
        text: userCode === undefined ? [] : ['There is no such code, or it is too old. Start again in the tool.'],
        button: { label: 'Next', action: '', method: 'get', input: { name: 'user_code', label: 'Code' } },
      });
    }
    sendPage(reply, {
      status: 200,
      title: `Sign in to ${found.clientName}?`,
      text: [
        'Go on only if you have just started this yourself, and the tool shows this very code.',
        'The tool will be able to act as you.',
      ],
      code: found.userCode,
      button: { label: 'Continue', action: `?user_code=${encodeURIComponent(found.userCode)}`, method: 'post' },
      formGoesTo: kit.authorizeUrl({ redirectUri: '', state: '', codeChallenge: '' }),
    });
  }

  @Get('device/callback')
  deviceCallback(
    @Param('provider') providerId: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    return this.finish(providerId, request, reply, async ({ deviceId }, signedIn) => {
      if (deviceId === undefined || !(await this.devices.grant(deviceId, signedIn))) {
        throw new Problem(404, 'device_code_expired', 'The tool does not wait any more. Start again there.');
      }
      sendPage(reply, { status: 200, title: 'Signed in', text: ['Go back to the tool; you can close this window.'] });
    });
  }

  private async finish(
    providerId: string,
    request: FastifyRequest,
    reply: FastifyReply,
    then: (way: UnderWay, signedIn: SignedIn) => Promise<void>,
  ): Promise<void> {
    try {
      const { state, code, error } = valid(callbackQuery).transform(request.query, { type: 'query' });
      const isDevice = request.url.includes('/device/callback');
      const way = this.ways.returned(request, reply, { providerId, state, isDevice });
      if (code === undefined) {
        if (way.deviceId !== undefined) await this.devices.refuse(way.deviceId);
        const reason = /^[a-z_]{1,60}$/.test(error ?? '') ? error : 'no code';
        throw new Problem(403, 'sign_in_refused', `WorkOS says: ${reason}.`);
      }
      const signedIn = await this.signIn.byCode(providerId, code, way.verifier);
      this.publisher.signedIn(signedIn);
      await then(way, signedIn);
    } catch (error) {
      const problem = toProblem(error);
      const log = { err: problem.status === 500 ? error : undefined, code: problem.code, provider_id: providerId };
      this.logger[problem.status === 500 ? 'error' : 'info'](log, 'sign-in failed');
      sendPage(reply, failurePage(problem, providerId));
    }
  }
}

function failurePage({ status, code, detail }: Problem, providerId: string): Page {
  return {
    status,
    title: 'Not signed in',
    text: [detail ?? 'Something went wrong.', `(${code})`],
    link: { label: 'Try again', href: `/auth/${encodeURIComponent(providerId)}/login` },
  };
}
