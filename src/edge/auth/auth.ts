/**
 * Who calls: a client (API key), an administrator (admin key; may do what clients may), or a GPU host (host secret). Keys
 * are compared as hashes in constant time and go nowhere else; what the rest sees of one is a short hash.
 */
import { createMiddleware } from 'hono/factory';
import { CallerError } from '../../base/errors.ts';
import type { Bindings } from '../bindings.ts';
import type { Caller, EdgeEnv, Role } from '../edge-env.ts';

/** Lets a request through if its bearer key has one of `roles`. */
export function requireRole(...roles: readonly Role[]) {
  return createMiddleware<EdgeEnv>(async (context, next) => {
    const caller = await identify(context.req.header('authorization'), context.env);
    if (!caller) {
      throw new CallerError(
        'invalid_api_key',
        'The API key is missing or wrong. Send it as "Authorization: Bearer <key>".',
      );
    }
    if (!roles.includes(caller.role)) {
      throw new CallerError(
        'forbidden',
        `This call needs another key: that of ${roles.map(describe).join(' or ')}.`,
      );
    }
    context.set('caller', caller);
    await next();
  });
}

async function identify(header: string | undefined, env: Bindings): Promise<Caller | null> {
  const given = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1];
  if (given === undefined) return null;
  const hash = await sha256(given);
  const keyId = hex(hash.subarray(0, 8));
  let found: Role | null = null;
  // No early exit: the time taken does not tell which key came close.
  for (const [role, keys] of keysByRole(env)) {
    for (const key of keys) {
      if (crypto.subtle.timingSafeEqual(await sha256(key), hash)) found ??= role;
    }
  }
  return found && { role: found, keyId };
}

function keysByRole(env: Bindings): [Role, string[]][] {
  return [
    ['admin', split(env.ADMIN_KEY)],
    ['host', split(env.HOST_SECRET)],
    ['client', split(env.API_KEY)],
  ];
}

/** The secret that the edge shows to hosts: the first, where several are valid during a change. */
export function hostSecret(env: Bindings): string {
  return split(env.HOST_SECRET)[0] ?? '';
}

function split(keys: string | undefined): string[] {
  return (keys ?? '').split(',').flatMap((key) => (key.trim() === '' ? [] : [key.trim()]));
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function describe(role: Role): string {
  return role === 'client' ? 'a client' : role === 'admin' ? 'an administrator' : 'a host';
}
