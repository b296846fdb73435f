import { Body, Controller, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Public } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { tooMany } from './auth.controller.js';
import { type DeviceIdentity, DeviceSignIns, identityOf, POLL_SECONDS } from './device.js';
import { DEVICE_MINUTES } from './device.sql.js';
import { ProviderSignIn } from './auth-kit.js';
import { FailureThrottle } from './throttle.js';
import { redirectUriOf, SignInsUnderWay } from './under-way.js';
import { CONFIG, type PortalConfig } from '../config.js';

export const deviceBody = z.strictObject({
  /** SHA-256 of the verifier, base64url. */
  code_challenge: z.string().regex(/^[\w-]{43}$/),
  code_challenge_method: z.literal('S256'),
  /** Shown to the person. */
  client_name: z.string().regex(/^[\p{L}\p{N} ._@-]{1,60}$/u),
});
export const deviceView = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  verification_uri_complete: z.string(),
  /** Seconds. */
  expires_in: z.int(),
  interval: z.int(),
});
export const collectBody = z.strictObject({
  device_code: z.string().max(200),
  /** RFC 7636, section 4.1. */
  code_verifier: z.string().regex(/^[\w.~-]{43,128}$/),
});
export const refreshBody = z.strictObject({ refresh_token: z.string().min(1).max(2_000) });
export const identityView = z.object({
  provider_id: z.string(),
  user: z.object({
    id: z.string(),
    email: z.string(),
    first_name: z.string().nullable(),
    last_name: z.string().nullable(),
  }),
  organization_id: z.string().nullable(),
  session_id: z.string().nullable(),
  access_token: z.string(),
  refresh_token: z.string(),
  expires_at: z.string().nullable(),
});

export const confirmQuery = z.object({ user_code: z.string() });

export const DEVICE_THROTTLE = Symbol('throttle of tools that sign somebody in');

/** The side of a tool that signs somebody in: `authenticate()` of our client library. */
@Public()
@Controller('auth/:provider/device')
export class DeviceController {
  constructor(
    @Inject(CONFIG) private readonly config: PortalConfig,
    @Inject(DeviceSignIns) private readonly devices: DeviceSignIns,
    @Inject(ProviderSignIn) private readonly signIn: ProviderSignIn,
    @Inject(SignInsUnderWay) private readonly ways: SignInsUnderWay,
    @Inject(DEVICE_THROTTLE) private readonly throttle: FailureThrottle,
  ) {}

  /** Device authorization (RFC 8628, section 3.1). */
  @Post('authorize')
  @HttpCode(200)
  async begin(
    @Param('provider') providerId: string,
    @Body(valid(deviceBody)) { code_challenge, client_name }: z.output<typeof deviceBody>,
    @Req() request: FastifyRequest,
  ): Promise<z.infer<typeof deviceView>> {
    this.slowDown(request);
    this.throttle.failed(request.ip); // each one is a row that waits
    await this.signIn.kitOf(providerId);
    redirectUriOf(this.config, providerId, 'device');
    const begun = await this.devices.begin(providerId, { codeChallenge: code_challenge, clientName: client_name });
    const uri = `${this.config.publicUrl}/auth/${providerId}/device`;
    return {
      device_code: begun.deviceCode,
      user_code: begun.userCode,
      verification_uri: uri,
      verification_uri_complete: `${uri}?user_code=${begun.userCode}`,
      expires_in: DEVICE_MINUTES * 60,
      interval: POLL_SECONDS,
    };
  }

  @Post('token')
  @HttpCode(200)
  collect(
    @Param('provider') providerId: string,
    @Body(valid(collectBody)) { device_code, code_verifier }: z.output<typeof collectBody>,
  ): Promise<DeviceIdentity> {
    return this.devices.collect(providerId, device_code, code_verifier);
  }

  /** The tool does not have the API key that WorkOS asks for, so the portal refreshes for it, and judges anew. */
  @Post('refresh')
  @HttpCode(200)
  async refresh(
    @Param('provider') providerId: string,
    @Body(valid(refreshBody)) { refresh_token }: z.output<typeof refreshBody>,
    @Req() request: FastifyRequest,
  ): Promise<DeviceIdentity> {
    this.slowDown(request);
    try {
      return identityOf(await this.signIn.byRefreshToken(providerId, refresh_token));
    } catch (error) {
      if (error instanceof Problem && error.status < 500) this.throttle.failed(request.ip);
      throw error;
    }
  }

  /** The person has said on the page that the code is theirs; from another site, they would not have read it. */
  @Post()
  async confirm(
    @Param('provider') providerId: string,
    @Query(valid(confirmQuery)) { user_code: userCode }: z.output<typeof confirmQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const { origin, 'sec-fetch-site': site } = request.headers;
    const own = this.config.publicUrl === undefined ? undefined : new URL(this.config.publicUrl).origin;
    // Sec-Fetch-Site is the browser's own word; older ones have Origin alone.
    const isOwnPage = site === undefined ? origin !== undefined && origin === own : site === 'same-origin';
    if (!isOwnPage) {
      throw new Problem(403, 'cross_site', 'This is for the page of the portal itself.');
    }
    const found = await this.devices.find(providerId, userCode);
    if (!found) throw new Problem(404, 'device_code_expired', 'The tool does not wait any more. Start again there.');
    await this.ways.setOut(reply, providerId, { returnTo: '/', deviceId: found.id });
  }

  private slowDown({ ip }: FastifyRequest): void {
    const seconds = this.throttle.retryAfter(ip);
    if (seconds !== undefined) throw tooMany(seconds);
  }
}
