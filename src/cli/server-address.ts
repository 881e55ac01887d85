/** The address of a server's OpenAI paths, given with or without the /v1 at its end. */
export function openaiAddress(url: string, path: string): string {
  const base = url.replace(/\/+$/u, '');
  return `${base.endsWith('/v1') ? base : `${base}/v1`}${path}`;
}
