/** The folder of a run that never was: metrics and outputs as a run writes them, with routing that specialises. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '../../src/base/random.ts';

export interface GeneratedRun {
  readonly layers?: number;
  readonly experts?: number;
  readonly specialties?: readonly string[];
  readonly steps?: number;
}

export function writeRunFolder(folder: string, run: GeneratedRun = {}): void {
  const { layers = 4, experts = 12, steps = 600 } = run;
  const { specialties = ['cardiovascular', 'neurology', 'tcm', 'oncology', 'general'] } = run;
  const random = createRandom(11);
  const lines: object[] = [];
  const loadOf = (strength: number, lean: number): number[] => {
    const raw = Array.from({ length: experts }, (_, expert) =>
      Math.exp(strength * Number(expert % specialties.length === lean) + 0.3 * random.normal()),
    );
    const sum = raw.reduce((total, value) => total + value, 0);
    return raw.map((value) => value / sum);
  };
  for (let step = 1; step <= steps; step++) {
    const progress = step / steps;
    const loss = 5 + 3 * Math.exp(-6 * progress) + 0.2 * random.normal();
    const contrast = 0.2 * (2.4 - 1.6 * progress + 0.1 * random.normal());
    lines.push({
      step,
      loss,
      tokens: 900 + random.integer(200),
      gradientNorm: Math.exp(-2 * progress + 0.2 * random.normal()),
      learningRate: 1e-3 * (1 - 0.9 * progress),
      ms: 1500 + 100 * random.uniform(),
      contrast,
      balance: 1 + 0.4 * Math.exp(-3 * progress),
      zLoss: 0.02 + 0.01 * random.uniform(),
    });
    if (step % 50 === 0) {
      const all = specialties.map((name, at) => [name, 5 + 2.5 * Math.exp(-5 * progress) + at / 20] as const);
      const validation = all.reduce((sum, [, value]) => sum + value, 0) / all.length;
      lines.push({ step, validation, bySpecialty: Object.fromEntries(all) });
      const routing = Array.from({ length: layers }, (_, layer) => ({
        layer,
        entropy: Math.log(experts) - progress * (0.3 + layer / 10),
        mutualInformation: progress * (0.2 + layer / 8),
        silhouette: 0.05 + progress * (0.1 + layer / 12),
        withinVariance: 0.9 - 0.2 * progress - layer / 30,
        load: loadOf(0, 0),
        loadBySpecialty: Object.fromEntries(
          specialties.map((name, at) => [name, loadOf((progress * (layer + 1)) / 2, at)]),
        ),
      }));
      lines.push({ step, routing });
    }
  }
  const outputs = Array.from({ length: layers }, (_, layer) => {
    const centres = Array.from({ length: experts }, () => Array.from({ length: 16 }, () => random.normal()));
    const points = Array.from({ length: 300 }, () => {
      const expert = random.integer(experts);
      const z = centres[expert]!.map((value) => value + (1.4 - layer / 4) * random.normal());
      const norm = Math.hypot(...z);
      const isOwn = random.uniform() < 0.7;
      const specialty = specialties[(isOwn ? expert : random.integer(experts)) % specialties.length]!;
      return { z: z.map((value) => value / norm), expert, specialty };
    });
    return { layer, points };
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  writeFileSync(join(folder, 'outputs.json'), JSON.stringify(outputs));
}
