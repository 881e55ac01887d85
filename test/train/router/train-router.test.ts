import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { sha256Hex } from '../../../src/base/sha256.ts';
import { forward, loadRouterModel, rankSpecialties, routerFeatures } from '../../../src/base/router/model.ts';
import { trainRouter, type RouterTrainingPaths } from '../../../src/train/router/train-router.ts';

const config = {
  seed: 1,
  bucketBits: 12,
  orderWeights: [1, 1, 0.5],
  minDocumentFrequency: 1,
  cost: 1,
  maxEpochs: 50,
  tolerance: 0.01,
  calibrationFolds: 3,
  goldCost: 2,
  generalCost: 1,
  context: { lastTurnCharacters: 100, earlierTurns: 2, earlierTurnCharacters: 50, earlierTurnWeight: 0.3 },
};

const TERMS: Record<string, string[]> = {
  cardiovascular: ['胸闷心悸', '高血压头晕', '心绞痛发作', '房颤早搏'],
  digestive: ['胃痛反酸', '乙肝小三阳', '腹泻便秘', '脂肪肝转氨酶'],
  tcm: ['中药调理', '肾虚盗汗', '针灸艾灸', '湿热舌苔'],
};
const ASKED = ['怎么办', '吃什么药好', '需要注意什么', '严重吗', '怎么治疗', '是什么原因'];

function rows(prefix: string, endings: readonly string[]): object[] {
  return Object.entries(TERMS).flatMap(([specialty, terms]) =>
    terms.flatMap((term, at) =>
      endings.map((ending, end) => ({
        id: `${prefix}-${specialty}-${at}-${end}`,
        source: at % 2 === 0 ? 'one' : 'two',
        text: `${term}${ending}`,
        specialty,
        specialty_src: at % 2 === 0 ? 'gold' : 'weak',
      })),
    ),
  );
}

async function writeLines(path: string, values: readonly object[]): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, gzipSync(values.map((value) => JSON.stringify(value)).join('\n')));
}

let paths: RouterTrainingPaths;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'router-'));
  await writeLines(join(folder, 'router/train.jsonl.gz'), rows('t', ASKED));
  await writeLines(join(folder, 'router/valid.jsonl.gz'), rows('v', ['，能治好吗', '，怎么回事']));
  await writeLines(join(folder, 'sft/valid.jsonl.gz'), [
    { specialty: null, messages: [{ role: 'user', content: '体检要带什么' }] },
  ]);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(
    join(folder, 'general.json'),
    JSON.stringify({ train: ['早上好', '写首歌'], heldOut: ['你好'] }),
  );
  paths = {
    config: join(folder, 'config.json'),
    data: folder,
    generalPrompts: join(folder, 'general.json'),
    output: join(folder, 'out'),
    report: join(folder, 'report.json'),
    leaveSourcesOut: true,
  };
  await trainRouter(paths, silentLogger);
});

const modelBytes = (folder: string): Promise<Buffer> => readFile(join(folder, 'router.onnx'));

describe('trainRouter', () => {
  it('writes a model that the edge reads and that routes what it was taught', async () => {
    const model = loadRouterModel(await modelBytes(paths.output));
    const best = (content: string) => {
      const features = routerFeatures([{ role: 'user', content }], model.metadata);
      return rankSpecialties(model.metadata, forward(model, features))[0];
    };
    expect(best('我胃痛反酸')?.specialty).toBe('digestive');
    expect(best('我胃痛反酸')?.probability).toBeGreaterThan(0.5);
    expect(best('心悸')?.specialty).toBe('cardiovascular');
    expect(best('艾灸')?.specialty).toBe('tcm');
    expect(best('qwerty')?.probability).toBeLessThan(0.5);
  });

  it('measures by the very probabilities that the edge computes', async () => {
    const report = JSON.parse(await readFile(paths.report ?? '', 'utf8'));
    const model = loadRouterModel(await modelBytes(paths.output));
    const features = routerFeatures([{ role: 'user', content: '你好' }], model.metadata);
    const best = Math.max(...forward(model, features));
    expect(report.heldOutGeneralPrompts).toHaveLength(1);
    expect(report.heldOutGeneralPrompts[0].best).toBeCloseTo(best, 6);
  });

  it('reports accuracy, the paired test and every source left out', async () => {
    const report = JSON.parse(await readFile(paths.report ?? '', 'utf8'));
    expect(report.router.all.rows).toBe(24);
    expect(report.router.gold.rows).toBe(12);
    expect(report.router.mcnemar.all.p).toBeGreaterThan(0);
    expect(report.leaveSourceOut.map((entry: { source: string }) => entry.source)).toEqual(['one', 'two']);
  });

  it('is repeatable to the byte, and the manifest names what it was made from', async () => {
    const again = { ...paths, output: join(paths.output, 'again'), report: join(paths.data, 'again.json') };
    await trainRouter({ ...again, leaveSourcesOut: false }, silentLogger);
    const [first, second] = [await modelBytes(paths.output), await modelBytes(again.output)];
    expect(second.equals(first)).toBe(true);
    const manifest = JSON.parse(await readFile(join(paths.output, 'manifest.json'), 'utf8'));
    expect(manifest.sha256).toBe(await sha256Hex(first));
    expect(manifest.bytes).toBe(first.length);
    expect(manifest.config).toEqual(config);
    const train = await readFile(join(paths.data, 'router/train.jsonl.gz'));
    expect(manifest.data['router/train.jsonl.gz']).toBe(await sha256Hex(train));
  });

  it('names every problem of a bad config', async () => {
    const bad = join(paths.data, 'bad.json');
    await writeFile(bad, JSON.stringify({ ...config, seed: -1, cots: 2 }));
    const run = trainRouter({ ...paths, config: bad }, silentLogger);
    await expect(run).rejects.toMatchObject({
      code: 'bad_config',
      message: expect.stringMatching(/seed.*cots/s),
    });
  });

  it('names the line of a row that is not one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'router-bad-'));
    await writeLines(join(folder, 'router/train.jsonl.gz'), rows('t', ['']));
    await writeLines(join(folder, 'router/valid.jsonl.gz'), [...rows('v', ['']), { text: 1 }]);
    await writeLines(join(folder, 'sft/valid.jsonl.gz'), []);
    const run = trainRouter({ ...paths, data: folder }, silentLogger);
    await expect(run).rejects.toThrow(/Line 13 of .*valid/);
  });
});
