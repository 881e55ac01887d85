import { describe, expect, test } from 'vitest';
import { parseSettings, type Settings, type SettingSources } from '../../src/cli/config.ts';

describe('settings', () => {
  test('come from flags before variables before the file before defaults', () => {
    const file = JSON.stringify({ edgePort: 1001, hostPort: 1002, threads: 3 });
    const environment = { SPARSEDOCTOR_EDGE_PORT: '2001', SPARSEDOCTOR_HOST_PORT: '2002', OTHER: 'x' };
    const settings = parseSettings({ flags: { edgePort: '3001', hostPort: undefined }, environment, file });
    expect(settings).toMatchObject({ edgePort: 3001, hostPort: 2002, threads: 3, maxConcurrent: 16 });
  });

  test('name the formats in which numbers are kept', () => {
    const settings = parseSettings({ flags: { cache: 'f16' }, environment: { SPARSEDOCTOR_WEIGHTS: 'q8' } });
    expect(settings).toMatchObject({ weights: 'q8', experts: 'f32', cache: 'f16' });
    expect(parsing({ environment: { SPARSEDOCTOR_EXPERTS: 'q8' } })).toThrow(/SPARSEDOCTOR_EXPERTS/);
  });

  test('that are wrong are named all at once, with where they came from', () => {
    const parse = parsing({
      flags: { threads: 'many' },
      environment: { SPARSEDOCTOR_EDGE_PORT: '70000', SPARSEDOCTOR_EDGEPORT: '1' },
      file: '{"device":"abacus","colour":"red"}',
    });
    for (const name of [
      /--threads/,
      /SPARSEDOCTOR_EDGE_PORT:/,
      /SPARSEDOCTOR_EDGEPORT/,
      /device/,
      /colour/,
    ]) {
      expect(parse).toThrow(name);
    }
  });

  test('with keys in the file, or a file that is no object, are refused', () => {
    expect(parsing({ file: '{"apiKey":"12345678"}' })).toThrow(/apiKey is not a setting of this file/);
    expect(parsing({ file: '[]' })).toThrow(/is not a JSON object/);
    expect(parsing({ file: '{' })).toThrow(/is not a JSON object/);
  });

  test('never repeat a key that is wrong', () => {
    const parse = parsing({ environment: { SPARSEDOCTOR_API_KEY: 'short' } });
    expect(parse).toThrow(/SPARSEDOCTOR_API_KEY: must have at least 8 characters/);
    expect(parse).not.toThrow(/short/);
  });
});

function parsing(sources: Partial<SettingSources>): () => Settings {
  return () => parseSettings({ flags: {}, environment: {}, ...sources });
}
