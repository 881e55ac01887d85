/**
 * Turns public files, as their sources publish them, into the data files that training reads: cleaned, without personal
 * data and duplicates, nothing of the evaluation sets, split by a hash of the id. The same files give the same bytes.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createProblemList, type ProblemList } from '../../base/data-problem.ts';
import { createContaminationIndex, type EvaluationQuestion } from './dedupe/contamination.ts';
import { hashShare, hashText, normaliseQuestion } from './dedupe/normalise.ts';
import { createDedupeLog, type DedupeReport } from './dedupe/report.ts';
import { finishRow, type FinishedRow } from './finish-row.ts';
import { createRouterRows, type RouterRows } from './router-rows.ts';
import { createRowWriter, type RowWriter, type WrittenFile } from './row-writer.ts';
import { openSourceFolder } from './source-folder.ts';
import type { Draft, Source } from './sources/source.ts';

export interface BuildRequest {
  /** Where the repositories of the sources lie. */
  readonly sourcesFolder: string;
  readonly outFolder: string;
  readonly sources: readonly Source[];
  readonly evaluation: readonly EvaluationQuestion[];
  /** Labels and their names, for specialties.json. */
  readonly specialties: Readonly<Record<string, string>>;
  readonly onSource?: (id: string, rows: number) => void;
}

export interface SourceResult {
  readonly rows: number;
  readonly malformed: number;
  readonly duplicates: number;
  readonly contaminated: number;
  readonly personal: Readonly<Record<string, number>>;
}

export interface DataManifest {
  readonly files: Readonly<Record<string, WrittenFile>>;
  readonly sources: Readonly<
    Record<string, SourceResult & Pick<Source, 'repository' | 'commit' | 'license'>>
  >;
  readonly missing: readonly string[];
  readonly dedupe: DedupeReport;
}

export interface BuildResult {
  readonly manifest: DataManifest;
  readonly missing: readonly Source[];
  readonly problems: ProblemList;
}

/** Share of rows for validation, by part. */
const VALIDATION_SHARE = { pretrain: 0.03, sft: 0.04, mcq: 0.05, router: 0.1 } as const;

export async function buildData(request: BuildRequest): Promise<BuildResult> {
  const index = createContaminationIndex(request.evaluation);
  const problems = createProblemList();
  const log = createDedupeLog();
  const writer = createRowWriter(request.outFolder);
  const router = createRouterRows();
  const seen = { ids: new Set<string>(), contents: new Set<string>() };
  const missing: Source[] = [];
  const sources: Record<string, DataManifest['sources'][string]> = {};
  for (const source of request.sources) {
    const folder = await openSourceFolder(request.sourcesFolder, source, (file, line, reason) =>
      problems.add({ file, line, id: null, reason }),
    );
    if (folder === null) {
      missing.push(source);
      continue;
    }
    const result = await writeSource(source, source.read(folder), {
      writer,
      router,
      problems,
      index,
      log,
      seen,
    });
    const { repository, commit, license } = source;
    sources[source.id] = { repository, commit, license, ...result };
    request.onSource?.(source.id, result.rows);
  }
  for (const row of router.finish()) await writer.write(`router/${splitOf('router', row.id)}.jsonl.gz`, row);
  const files = await writer.finish();
  const sizes: Record<string, number> = {};
  for (const { set } of request.evaluation) sizes[set] = (sizes[set] ?? 0) + 1;
  const manifest = { files, sources, missing: missing.map(({ id }) => id), dedupe: log.finish(sizes) };
  await mkdir(request.outFolder, { recursive: true });
  const write = (name: string, value: object): Promise<void> =>
    writeFile(join(request.outFolder, name), `${JSON.stringify(value, null, 1)}\n`);
  await write('specialties.json', { specialties: request.specialties });
  await write('manifest.json', manifest);
  return { manifest, missing, problems };
}

interface Sinks {
  readonly writer: RowWriter;
  readonly router: RouterRows;
  readonly problems: ProblemList;
  readonly index: ReturnType<typeof createContaminationIndex>;
  readonly log: ReturnType<typeof createDedupeLog>;
  readonly seen: { readonly ids: Set<string>; readonly contents: Set<string> };
}

async function writeSource(
  source: Source,
  drafts: AsyncIterable<Draft>,
  sinks: Sinks,
): Promise<SourceResult> {
  let [rows, malformed, duplicates, contaminated] = [0, 0, 0, 0];
  const personal: Record<string, number> = {};
  for await (const draft of drafts) {
    if (source.share !== undefined && hashShare(`take:${draft.id}`) >= source.share) continue;
    const found: string[] = [];
    const row = finishRow(draft, source, (kind) => found.push(kind));
    if (typeof row === 'string') {
      malformed += 1;
      sinks.problems.add({ file: source.id, line: null, id: draft.id, reason: row });
      continue;
    }
    if (isRepeated(row, sinks)) {
      duplicates += 1;
      continue;
    }
    if (isContaminated(row, source, sinks)) {
      contaminated += 1;
      continue;
    }
    rows += 1;
    for (const kind of found) personal[kind] = (personal[kind] ?? 0) + 1;
    if (row.part !== 'router') await sinks.writer.write(fileOf(row, source), row.row);
    if (row.query !== null && source.nonCommercial !== true) sinks.router.offer(row, row.query, source);
  }
  return { rows, malformed, duplicates, contaminated, personal };
}

/** The same id, or a row that says the same in the same part. */
function isRepeated(row: FinishedRow, { seen, problems }: Sinks): boolean {
  if (seen.ids.has(row.id)) {
    problems.add({ file: String(row.row['source']), line: null, id: row.id, reason: 'id: duplicate' });
    return true;
  }
  const content = hashText(`${row.part}\n${normaliseQuestion(row.content)}`);
  if (seen.contents.has(content)) return true;
  seen.ids.add(row.id);
  seen.contents.add(content);
  return false;
}

function isContaminated(row: FinishedRow, source: Source, { index, log }: Sinks): boolean {
  log.compared();
  const match = index.find(row.texts);
  if (match === null) return false;
  log.matched({ ...match, row: row.id, source: source.id, file: row.part });
  return true;
}

function fileOf(row: FinishedRow, source: Source): string {
  if (source.nonCommercial === true) return `${row.part}/train_nc.jsonl.gz`;
  return `${row.part}/${splitOf(row.part, row.group)}.jsonl.gz`;
}

function splitOf(part: Draft['part'], group: string): 'train' | 'valid' {
  return hashShare(`split:${group}`) < VALIDATION_SHARE[part] ? 'valid' : 'train';
}
