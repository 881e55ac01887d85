/** What the static assets of the page say of the model that can run in it: its files, in parts that are named by content. */
import { z } from 'zod';

/** Below the root of the site; `<sha256>` of each part and `manifest.json`. */
export const modelFolder = 'model';

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);
const maxPartBytes = 25 * 1024 * 1024;

const partSchema = z.object({ sha256: sha256Schema, bytes: z.int().positive().max(maxPartBytes) });
const fileSchema = z.object({ parts: z.array(partSchema).min(1).max(1024) });

export const manifestSchema = z.object({
  format: z.literal(1),
  /** Of the base: shards must name the same. */
  fingerprint: sha256Schema,
  /** Address of the script of a compute thread. */
  threadScript: z.string().regex(/^\/assets\/[\w.-]+$/),
  /** By name: `base/…`, `kernels/…`, `router.onnx`. */
  files: z.record(z.string().max(200), fileSchema),
});

export type Manifest = z.output<typeof manifestSchema>;
export type StoredFile = z.output<typeof fileSchema>;
