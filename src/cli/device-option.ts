/** The flag that says where to compute. */
import { Option } from 'commander';
import { deviceNames } from './devices.ts';

const WHERE = 'where to compute (default auto: the GPU where there is one, else wasm)';

export function deviceOption(): Option {
  return new Option('--device <name>', WHERE).choices([...deviceNames]);
}

/** For training, whose kernels are tuned for the CPU only. */
export function trainingDeviceOption(): Option {
  return new Option('--device <name>', 'where to compute').choices([...deviceNames]).default('wasm');
}

/** The same, where the bare flag asks for a report. Its value is `true` then. */
export function deviceOptionOrReport(): Option {
  const description = `${WHERE}; without a name: print what this machine has, and end`;
  return new Option('--device [name]', description).choices([...deviceNames]);
}
