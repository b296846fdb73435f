import { Controller, Get, Headers, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Permits } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import { PortalAuthentication, type PortalPrincipal, roleOf } from '../auth/portal-authentication.js';
import { Feed, type PlacedEntry } from './feed.js';
import { isAbout } from './feed-entries.js';

const MOST_FOLLOWERS = 500;
/** Also how soon a session that has ended stops seeing what happens. */
const KEEP_ALIVE_MS = 10_000;
/** That may wait for somebody slow; what comes beyond is counted, and left out. */
const MOST_WAITING_BYTES = 512 * 1024;

@Permits('auditor', 'person')
@Controller('api/feed')
export class FeedController {
  constructor(
    @Inject(Feed) private readonly feed: Feed,
    @Inject(PortalAuthentication) private readonly portal: PortalAuthentication,
  ) {}

  /** Server-sent events (WHATWG HTML, section 9.2): what happened lately, then what happens; to a person, what is about them. */
  @Get()
  follow(
    @Req() request: FastifyRequest & { principal: PortalPrincipal },
    @Res() reply: FastifyReply,
    @Headers('last-event-id') lastId: string | undefined,
  ): void {
    if (this.feed.followers >= MOST_FOLLOWERS) {
      throw new Problem(503, 'feed_full', 'Too many follow the feed already; try again later.', {
        headers: { 'retry-after': '30' },
      });
    }
    const { raw } = reply;
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
    reply.hijack();
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-accel-buffering': 'no',
      connection: 'close', // else the socket stays open when the portal stops
    });
    raw.write('retry: 2000\n\n');

    const { person } = request.principal;
    const isPerson = roleOf(request.principal) === 'person';
    let skipped = 0;
    const tell = (entry: PlacedEntry): void => {
      if (isPerson && (!person || !isAbout(entry.data, person))) return;
      if (raw.writableLength > MOST_WAITING_BYTES) {
        skipped += 1;
        return;
      }
      if (skipped > 0) raw.write(`event: skipped\ndata: {"count":${skipped}}\n\n`);
      skipped = 0;
      // How much happens to others is nobody's business: a person is told of theirs anew when they come back.
      const id = isPerson ? '' : `id: ${entry.id}\n`;
      raw.write(`${id}event: ${entry.event}\ndata: ${JSON.stringify(entry.data)}\n\n`);
    };
    const unfollow = this.feed.follow(lastId, tell, () => raw.end());
    const keepAlive = setInterval(() => {
      raw.write(': \n\n');
      this.portal.isStillWelcome(request.principal).then(
        (welcome) => void (welcome || raw.end()),
        () => raw.end(), // it cannot be known
      );
    }, KEEP_ALIVE_MS);
    raw.once('close', () => {
      clearInterval(keepAlive);
      unfollow();
    });
  }
}
