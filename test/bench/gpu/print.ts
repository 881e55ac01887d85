/** The report as tables for people. */
import type { Aim, Comparison } from './aims.ts';
import type { Limits } from './limits.ts';
import type { Machine } from './open.ts';
import type { KernelRow } from './report.ts';
import type { Spread } from './timing.ts';

type Say = (line: string) => void;

export function printMachine(machine: Machine, say: Say): void {
  const { vendor, architecture, device, driver, backend, commit, node, nvidia } = machine;
  say([vendor, architecture, device, driver, backend].filter(Boolean).join(', '));
  if (nvidia !== null) say(nvidia);
  say(`Node ${node}, webgpu ${machine.webgpu}, commit ${commit}`);
  if (machine.isSoftware) say('A software GPU: this says that the bench runs, and nothing about speed.');
}

export function printLimits(limits: Limits, say: Say): void {
  say(`\nLimits, by ${limits.clock} time; medians (least to most)`);
  const line = (name: string, spread: Spread | null, unit: string): void =>
    say(`  ${name.padEnd(28)} ${spread ? `${range(spread)} ${unit}` : 'no shader-f16'}`);
  line('copy of a buffer', limits.copyBuffer, 'GB/s read and written');
  line('copy by a shader', limits.copyShader, 'GB/s read and written');
  line('read by a shader', limits.readShader, 'GB/s');
  line('f32 multiply-adds', limits.fma32, 'TFLOP/s');
  line('f32 product', limits.matrix32, 'TFLOP/s');
  line('f16 multiply-adds', limits.fma16, 'TFLOP/s');
  line('f16 product', limits.matrix16, 'TFLOP/s');
  line('dispatch, independent', limits.dispatch, 'µs');
  line('dispatch, one after another', limits.chainedDispatch, 'µs');
  line('to encode a dispatch', limits.encodeDispatch, 'µs of the CPU');
  line('submission', limits.submit, 'µs');
  line('write, dispatch, read', limits.roundTrip, 'µs');
}

export function printKernels(rows: readonly KernelRow[], say: Say): void {
  say(
    '\nmodel     weights  tokens  kernel                          of a step        µs   GB/s  TFLOP/s  bound by   share  sizes',
  );
  for (const row of rows) {
    const { median } = row.microseconds;
    const cells = [
      row.model.padEnd(9),
      row.weights.padEnd(8),
      String(row.tokens).padStart(6),
      ` ${row.kernel.padEnd(31)}`,
      String(row.dispatches).padStart(9),
      median.toFixed(1).padStart(9),
      (row.bytes / median / 1000).toFixed(0).padStart(6),
      (row.flops / median / 1e6).toFixed(2).padStart(8),
      ` ${row.bound.padEnd(9)}`,
      percent(row.share).padStart(6),
      ` ${row.sizes}`,
    ];
    say(cells.join(' '));
  }
}

export function printComparisons(rows: readonly Comparison[], say: Say): void {
  say(
    '\nMeasured by predicted (the sum over dispatches of what bytes, operations or the floor take at the limit)',
  );
  say(
    'section  model  weights  batch×tokens  context  resident  asking     MB  predicted ms  bound by   GPU ms  ratio  wall ms  ratio',
  );
  for (const row of rows) {
    const { sequences, tokens, context, asking } = row.request;
    const cells = [
      row.section.padEnd(8),
      row.model.padEnd(6),
      row.formats.weights.padEnd(8),
      `${sequences}×${tokens}`.padStart(12),
      String(context).padStart(8),
      String(row.resident).padStart(9),
      ` ${asking.padEnd(9)}`,
      (row.bytes / 1e6).toFixed(1).padStart(7),
      row.predictedMs.toFixed(3).padStart(13),
      ` ${row.bound.padEnd(9)}`,
      (row.gpuMs?.toFixed(3) ?? '–').padStart(8),
      (row.gpuRatio?.toFixed(2) ?? '–').padStart(6),
      row.wallMs.toFixed(3).padStart(8),
      row.wallRatio.toFixed(2).padStart(6),
    ];
    say(cells.join(' '));
  }
}

export function printAims(aims: readonly Aim[], say: Say): void {
  say('\nAims');
  for (const { aim, model, formats, value, wanted, met, note } of aims) {
    say(
      `  ${met ? 'met   ' : 'MISSED'} ${aim}, ${model} ${formats.weights}: ${value.toFixed(3)}, wanted ${wanted} (${note})`,
    );
  }
}

function range({ median, least, most }: Spread): string {
  return `${median.toPrecision(4)} (${least.toPrecision(3)} to ${most.toPrecision(3)})`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)}%`;
}
