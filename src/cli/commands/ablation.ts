/** `sparsedoctor ablation`: trains and measures every arm that is not measured yet, and renders the comparison. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { CallerError } from '../../base/errors.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { fingerprint } from '../../model/fingerprint.ts';
import { writeWhole } from '../../train/write-whole.ts';
import { ARMS, PROFILES, armConfig } from '../ablation/arms.ts';
import { summarise } from '../ablation/compare.ts';
import { drawHeldOut } from '../ablation/held-out.ts';
import { renderAblation } from '../ablation/render.ts';
import { findResult, keepItems, readResults, writeResult } from '../ablation/results.ts';
import { forgetArm, runArm } from '../ablation/run-arm.ts';
import { SEARCH_SEED, search } from '../ablation/search.ts';
import type { CliContext } from '../context.ts';
import { directorySource } from '../directory-source.ts';
import { openTokenizer } from '../files.ts';
import { interruptSignal, tell, terminalProgress } from '../training-session.ts';

interface AblationFlags {
  readonly data?: string;
  readonly exams?: string;
  readonly base: string;
  readonly out?: string;
  readonly page?: string;
  readonly work: string;
  readonly threads: string;
  readonly quick?: boolean;
  readonly renderOnly?: boolean;
  readonly arm?: string[];
  readonly seed?: string[];
  readonly search?: string[];
  readonly steps: string;
  readonly searchSeed: string;
}

const OUT = 'docs/results/ablation';

export function registerAblationCommand(program: Command, context: CliContext): void {
  program
    .command('ablation')
    .description(
      'base, full fine-tuning, LoRA, LoRA-MoE, contrast, queue: the same data and steps, several seeds',
    )
    .option('--data <directory>', 'folder with sft/ and mcq/')
    .option('--exams <path>', 'folder with CMB, CMExam and CMMLU (default: eval/ in the data)')
    .option('--base <directory>', 'the base to start from', 'weights/base')
    .option(
      '--out <directory>',
      'where results go (default: docs/results/ablation; --quick: runs/ablation-quick)',
    )
    .option(
      '--page <file>',
      'the comparison (default: docs/results.md, or the results’ folder’s name with .md)',
    )
    .option('--work <directory>', 'where runs keep their state', 'runs/ablation')
    .option('--threads <n>', 'compute threads', '2')
    .option('--quick', 'a small one, to see that it runs: few steps, few items')
    .option('--render-only', 'only render what is there')
    .option('--arm <names...>', 'only these arms')
    .option('--seed <numbers...>', 'only these seeds')
    .option(
      '--search <settings...>',
      'instead: one arm (--arm) with these settings, path=value, on unseen batches',
    )
    .option('--steps <n>', 'steps of a search', '48')
    .option('--search-seed <n>', 'seed of a search, none of the ablation’s', String(SEARCH_SEED))
    .action((flags: AblationFlags) => ablate(flags, context));
}

async function ablate(flags: AblationFlags, context: CliContext): Promise<void> {
  const out = flags.out ?? (flags.quick === true ? 'runs/ablation-quick' : OUT);
  if (flags.renderOnly !== true && !(await runAll(flags, out, context))) return;
  const { items, results } = await readResults(out);
  const page = flags.page ?? (out === OUT ? 'docs/results.md' : `${out.replace(/\/+$/, '')}.md`);
  const plotFolder = relative(dirname(page), out);
  const { markdown, plots } = await renderAblation(summarise(items, results), results, plotFolder);
  for (const [name, svg] of plots) await writeWhole(join(out, name), svg);
  await writeWhole(page, markdown);
  context.print(markdown);
  tell(`wrote ${page}`);
}

/** False where it was stopped, or was a search. */
async function runAll(flags: AblationFlags, out: string, context: CliContext): Promise<boolean> {
  if (flags.data === undefined) {
    throw new CallerError(
      'no_data',
      'Training needs --data <directory>; --render-only renders what is there.',
    );
  }
  const profile = PROFILES[flags.quick === true ? 'quick' : 'full'];
  requireKnown(
    '--arm',
    flags.arm,
    ARMS.map(({ name }) => name),
  );
  requireKnown('--seed', flags.seed, profile.seeds.map(String));
  const seedOfSearch = searchSeed(flags.searchSeed, profile.seeds);
  const dataDirectory = resolve(flags.data);
  const { tokenizer, files: tokenizerFiles } = await openTokenizer(flags.base);
  const checkpoint = await openCheckpoint(directorySource(flags.base));
  await mkdir(flags.work, { recursive: true });
  const shared = {
    profile,
    checkpoint,
    baseFingerprint: await fingerprint(checkpoint),
    tokenizer,
    tokenizerFiles,
    dataDirectory,
    workFolder: resolve(flags.work),
    threads: Number(flags.threads),
    progress: terminalProgress(profile.rows * profile.rowLength),
    signal: interruptSignal(),
  };
  if (flags.search) {
    const armName = flags.arm?.[0] ?? 'sparsedoctor';
    const steps = Number(flags.steps);
    const request = { ...shared, armName, settings: flags.search, steps, seed: seedOfSearch };
    await search(request, (row) => context.print(JSON.stringify(row)));
    return false;
  }
  const examPath = resolve(flags.exams ?? join(dataDirectory, 'eval'));
  const heldOut = await drawHeldOut({ ...shared, examPath });
  const items = await keepItems(out, heldOut.items);
  const commit = await currentCommit();
  for (const seed of profile.seeds) {
    if (flags.seed && !flags.seed.includes(String(seed))) continue;
    for (const arm of ARMS) {
      if (flags.arm && !flags.arm.includes(arm.name)) continue;
      // The base is the same whatever the seed.
      if (arm.method === null && seed !== profile.seeds[0]) continue;
      const config = armConfig(arm, profile, seed);
      const known = { arm: arm.name, seed, config, baseFingerprint: shared.baseFingerprint, items };
      if (await findResult(out, known)) {
        tell(`${arm.title}, seed ${seed}: measured already`);
        continue;
      }
      tell(`${arm.title}, seed ${seed}`);
      const result = await runArm({ ...shared, arm, seed, heldOut, items, commit });
      if (result === null) {
        tell('stopped; the same command goes on from there');
        return false;
      }
      await writeResult(out, result);
      await forgetArm({ ...shared, arm, seed });
    }
  }
  return true;
}

function requireKnown(option: string, given: readonly string[] | undefined, known: readonly string[]): void {
  const other = given?.find((value) => !known.includes(value));
  if (other === undefined) return;
  throw new CallerError('bad_choice', `${option} ${other} is not one of ${known.join(', ')}.`);
}

function searchSeed(text: string, reserved: readonly number[]): number {
  const seed = Number(text);
  if (Number.isSafeInteger(seed) && seed >= 0 && !reserved.includes(seed)) return seed;
  throw new CallerError(
    'bad_choice',
    `--search-seed ${text} is no whole number, or a seed of the ablation (${reserved.join(', ')}): take another.`,
  );
}

/** Null outside a checkout. */
async function currentCommit(): Promise<string | null> {
  const run = promisify(execFile);
  return run('git', ['rev-parse', 'HEAD']).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
}
