/** Which addresses a host may announce: without this list, a leaked host secret would let the edge call anything. */

const PATTERN = /^(https?):\/\/(\*\.)?([a-z0-9.-]+|\[[0-9a-f:]+\])(?::(\d{1,5}|\*))?$/i;

/** `patterns`: origins separated by commas, where the port or the first label of the name may be `*`. */
export function isAllowedHost(url: string, patterns: string): boolean {
  const target = URL.parse(url);
  if (!target || target.username !== '' || target.password !== '') return false;
  if (target.pathname !== '/' || target.search !== '' || target.hash !== '') return false;
  return patterns
    .split(',')
    .map((pattern) => PATTERN.exec(pattern.trim()))
    .some((match) => match !== null && matches(target, match));
}

function matches(target: URL, [, scheme, wildcard, name, port]: RegExpExecArray): boolean {
  if (`${scheme?.toLowerCase()}:` !== target.protocol) return false;
  const wanted = (name ?? '').toLowerCase();
  const nameFits = wildcard ? target.hostname.endsWith(`.${wanted}`) : target.hostname === wanted;
  // URL leaves the scheme's default port out.
  const wantedPort = port === (scheme?.toLowerCase() === 'https' ? '443' : '80') ? '' : (port ?? '');
  return nameFits && (port === '*' || target.port === wantedPort);
}
