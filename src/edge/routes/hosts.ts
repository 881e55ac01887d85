/** POST /v1/hosts: a host announces itself and learns which shards to hold. */
import type { Context } from 'hono';
import { CallerError } from '../../base/errors.ts';
import { hostAnnouncementSchema } from '../../protocol/hosts.ts';
import { parseWith } from '../../protocol/parse.ts';
import type { EdgeEnv } from '../edge-env.ts';
import { registryOf, settingsOf } from '../bindings.ts';
import { readJson } from '../http/body.ts';
import { isAllowedHost } from '../registry/allowed-hosts.ts';

export async function announceHost(context: Context<EdgeEnv>): Promise<Response> {
  const settings = settingsOf(context.env);
  const host = parseWith(hostAnnouncementSchema, await readJson(context.req.raw), 'announcement');
  if (!isAllowedHost(host.url, settings.ALLOWED_HOSTS)) {
    throw new CallerError(
      'forbidden',
      'This address is not on the list of the edge: add it to ALLOWED_HOSTS.',
      {
        param: 'url',
      },
    );
  }
  if (settings.BASE_FINGERPRINT !== undefined && host.base_fingerprint !== settings.BASE_FINGERPRINT) {
    throw new CallerError('conflict', 'The host runs another base model than this edge serves.', {
      param: 'base_fingerprint',
    });
  }
  const result = await registryOf(context.env).announce(host);
  if (result.kind === 'name_taken') {
    throw new CallerError(
      'conflict',
      'Another live host has this name, or there are too many: choose another name.',
      {
        param: 'name',
      },
    );
  }
  return context.json(result.orders);
}
