/** Whether a model and a device can have what they hold in the formats that were asked for; told before anything is loaded. */
import { CallerError } from '../base/errors.ts';
import type { Device } from '../tensor/device.ts';
import { ROW_MULTIPLE, type NumberFormat } from '../tensor/formats.ts';
import type { ModelConfig } from './config.ts';
import { EMBEDDING, layerNames } from './parameters.ts';

interface Formats {
  readonly weightFormat: NumberFormat;
  readonly expertFormat: NumberFormat;
  readonly kvFormat: NumberFormat;
  readonly experts: { readonly rank: number };
}

/** Throws `CallerError` (`unsupported_format`). */
export function checkFormats(
  device: Pick<Device, 'kind'>,
  config: ModelConfig,
  { weightFormat, expertFormat, kvFormat, experts }: Formats,
): void {
  if (device.kind === 'wasm' && expertFormat !== 'f32') throw gpuOnly('Experts', expertFormat);
  if (device.kind === 'wasm' && kvFormat !== 'f32') throw gpuOnly('Keys and values', kvFormat);
  const { hiddenSize, intermediateSize, heads, headSize } = config;
  const names = layerNames(0);
  checkRow(`tensor ${EMBEDDING}`, hiddenSize, weightFormat, 'weights');
  checkRow(`tensor ${names.output}`, heads * headSize, weightFormat, 'weights');
  checkRow(`tensor ${names.down}`, intermediateSize, weightFormat, 'weights');
  checkRow('A of experts', hiddenSize, expertFormat, 'experts');
  checkRow('A of experts', intermediateSize, expertFormat, 'experts');
  checkRow('B of experts', experts.rank, expertFormat, 'experts, or another expert rank');
  checkRow('heads in the cache', headSize, kvFormat, 'cache');
}

function checkRow(what: string, length: number, format: NumberFormat, part: string): void {
  const multiple = ROW_MULTIPLE[format];
  if (length % multiple === 0) return;
  const other = format === 'f16' || length % ROW_MULTIPLE.f16 !== 0 ? 'f32' : 'f16 or f32';
  throw new CallerError(
    'unsupported_format',
    `Rows of ${what} have ${length} values, and ${format} needs a multiple of ${multiple}: use ${other} ${part}.`,
  );
}

function gpuOnly(what: string, format: NumberFormat): CallerError {
  const message = `${what} are f32 on the CPU: use f32 instead of ${format} there, or a GPU.`;
  return new CallerError('unsupported_format', message);
}
