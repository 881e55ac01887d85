/** The gateway's HTTP surface: which path is answered by what, behind which key. Each route lives in a file of its own. */
import { Hono } from 'hono';
import { CallerError } from '../base/errors.ts';
import { requestIdPattern } from '../protocol/limits.ts';
import { REQUEST_ID_HEADER } from '../protocol/hosts.ts';
import { requireRole } from './auth/auth.ts';
import type { EdgeEnv } from './edge-env.ts';
import { drainUnread } from './http/drain.ts';
import { errorResponse } from './http/errors.ts';
import { chat } from './routes/chat.ts';
import { completions } from './routes/completions.ts';
import { health } from './routes/health.ts';
import { announceHost } from './routes/hosts.ts';
import { metrics } from './routes/metrics.ts';
import { listModels, showModel } from './routes/models.ts';
import { showRoute } from './routes/route.ts';
import { activateShard, fetchShard, listShards, publishShard, rollbackShard } from './routes/shards.ts';

/** HTTP method to Allow header, by path: what is not here is a 404, another method is a 405. */
export function createApp(): Hono<EdgeEnv> {
  const app = new Hono<EdgeEnv>();
  app.use(async (context, next) => {
    const given = context.req.header(REQUEST_ID_HEADER) ?? '';
    const requestId = requestIdPattern.test(given) ? given : crypto.randomUUID();
    context.set('requestId', requestId);
    await next();
    context.header(REQUEST_ID_HEADER, requestId);
    context.header('x-content-type-options', 'nosniff');
  });

  const client = requireRole('client', 'admin');
  const admin = requireRole('admin');
  app.get('/health', health);
  app.get('/metrics', client, metrics);
  app.post('/v1/chat/completions', client, chat);
  app.post('/v1/completions', client, completions);
  app.get('/v1/models', client, listModels);
  app.get('/v1/models/:model', client, showModel);
  app.post('/v1/route', client, showRoute);
  app.get('/v1/shards', client, listShards);
  app.put('/v1/shards/:specialty/versions/:version', admin, publishShard);
  app.get('/v1/shards/:specialty/versions/:version', requireRole('client', 'host', 'admin'), fetchShard);
  app.post('/v1/shards/:specialty/activate', admin, activateShard);
  app.post('/v1/shards/:specialty/rollback', admin, rollbackShard);
  app.post('/v1/hosts', requireRole('host'), announceHost);
  refuseOtherMethods(app);

  app.notFound(async (context) => {
    const { req, env } = context;
    const isPage = (req.method === 'GET' || req.method === 'HEAD') && !req.path.startsWith('/v1/');
    const asset = isPage ? await env.ASSETS?.fetch(req.raw) : undefined;
    // Headers of a fetched answer are immutable; the middleware adds to them.
    if (asset && asset.status !== 404) return new Response(asset.body, asset);
    const message = 'There is nothing at this address. The API is below /v1, e.g. POST /v1/chat/completions.';
    return errorResponse(new CallerError('not_found', message), context.get('requestId'));
  });
  app.onError(async (error, context) => {
    await drainUnread(context.req.raw);
    return errorResponse(error, context.get('requestId'));
  });
  return app;
}

function refuseOtherMethods(app: Hono<EdgeEnv>): void {
  const methods = new Map<string, string[]>();
  for (const { path, method } of app.routes) {
    if (method === 'ALL') continue;
    methods.set(path, [...new Set([...(methods.get(path) ?? []), method])]);
  }
  for (const [path, allowed] of methods) {
    const allow = (allowed.includes('GET') ? [...allowed, 'HEAD'] : allowed).join(', ');
    app.all(path, (context) => {
      const error = new CallerError('method_not_allowed', `This address takes ${allow}.`);
      const response = errorResponse(error, context.get('requestId'));
      response.headers.set('allow', allow);
      return response;
    });
  }
}
