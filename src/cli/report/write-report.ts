/** Writing a run's report beside its metrics. */
import { basename, join, resolve } from 'node:path';
import { writeWhole } from '../../train/write-whole.ts';
import { readRun } from './read-run.ts';
import { renderReport } from './render-report.ts';

/** Path of the report. */
export async function writeReport(folder: string, out = join(folder, 'report.html')): Promise<string> {
  await writeWhole(out, await renderReport(await readRun(folder), basename(resolve(folder))));
  return out;
}
