/**
 * Takes an uploaded shard file in one pass: bytes go to the bucket while header and hashes are checked, so that no file
 * has to fit into the Worker's memory. The object lies under a key that nothing refers to until the registry has it;
 * when anything is wrong it is removed, and nothing was published.
 */
import { CallerError } from '../../base/errors.ts';
import { invariant } from '../../base/invariant.ts';
import { drain } from '../http/drain.ts';
import {
  LENGTH_BYTES,
  parseHeader,
  readHeaderLength,
  type SafetensorsHeader,
} from '../../base/safetensors-header.ts';
import {
  checkShardIdentity,
  MAX_SHARD_HEADER_BYTES,
  readShardLayout,
  type ExpectedShard,
  type ShardMetadata,
} from '../../base/shard-metadata.ts';

export interface ReceivedShard {
  /** Of the whole file. */
  readonly sha256: string;
  readonly metadata: ShardMetadata;
}

export async function receiveShard(
  upload: { readonly body: ReadableStream<Uint8Array>; readonly bytes: number },
  target: { readonly bucket: R2Bucket; readonly key: string },
  expected: ExpectedShard,
): Promise<ReceivedShard> {
  const inspector = new ShardInspector(upload.bytes, expected);
  const reader = upload.body.getReader();
  let sink: Sink | null = null;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new CallerError('shard_truncated', 'The upload ended early; send the file again.', { cause });
      });
      if (done) break;
      const checked = await inspector.feed(value);
      // Nothing is stored before the header has been found good.
      if (checked) sink ??= openSink(target, upload.bytes);
      if (checked) await sink?.write(checked);
    }
    inspector.requireAll();
    await sink?.close();
    return await inspector.finish();
  } catch (error) {
    await sink?.discard(error);
    await drain(reader, upload.bytes);
    throw error;
  }
}

interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
  discard(reason: unknown): Promise<void>;
}

/** An object in the making; the bucket must know its length beforehand. */
function openSink({ bucket, key }: { readonly bucket: R2Bucket; readonly key: string }, bytes: number): Sink {
  const { readable, writable } = new FixedLengthStream(bytes);
  const writer = writable.getWriter();
  // Whatever `put` says comes out in `close`; this keeps an early failure from counting as unhandled.
  const stored = bucket.put(key, readable).then(
    () => null,
    (cause: unknown) => ({ cause }),
  );
  return {
    write: (chunk) => writer.write(chunk),
    async close() {
      await writer.close();
      const failure = await stored;
      if (failure) throw failure.cause;
    },
    async discard(reason) {
      await writer.abort(reason).catch(() => undefined);
      await stored;
      await bucket.delete(key);
    },
  };
}

/** Follows the bytes of one file: first its header, which is checked as soon as it is complete, then the tensors. */
class ShardInspector {
  readonly #bytes: number;
  readonly #expected: ExpectedShard;
  readonly #file = digest();
  readonly #tensors = digest();
  #prefix = new Uint8Array(0);
  #metadata: ShardMetadata | null = null;
  #seen = 0;

  constructor(bytes: number, expected: ExpectedShard) {
    this.#bytes = bytes;
    this.#expected = expected;
  }

  /** Returns what is checked so far and may be stored: null until the header is complete. */
  async feed(chunk: Uint8Array): Promise<Uint8Array | null> {
    this.#seen += chunk.length;
    if (this.#seen > this.#bytes) {
      throw new CallerError('shard_too_long', 'The upload is longer than its Content-Length says.');
    }
    await this.#file.writer.write(chunk);
    if (this.#metadata) {
      await this.#tensors.writer.write(chunk);
      return chunk;
    }
    this.#prefix = concat(this.#prefix, chunk);
    const header = this.#readHeader();
    if (!header) return null;
    await this.#tensors.writer.write(this.#prefix.subarray(header.dataOffset));
    return this.#prefix;
  }

  requireAll(): void {
    if (this.#seen === this.#bytes && this.#metadata) return;
    throw new CallerError('shard_truncated', 'The upload ended early; send the file again.');
  }

  async finish(): Promise<ReceivedShard> {
    invariant(this.#metadata, 'requireAll comes first');
    const [file, tensors] = await Promise.all([this.#file.finish(), this.#tensors.finish()]);
    if (tensors !== this.#metadata.tensorsSha256) {
      throw new CallerError(
        'shard_hash_mismatch',
        'The tensor bytes do not match the hash in the metadata; copy the shard again.',
      );
    }
    return { sha256: file, metadata: this.#metadata };
  }

  /** Null until the header is complete; throws where it is not that of the expected shard. */
  #readHeader(): SafetensorsHeader | null {
    if (this.#prefix.length < LENGTH_BYTES) return null;
    const length = readHeaderLength(this.#prefix, this.#bytes, MAX_SHARD_HEADER_BYTES);
    if (this.#prefix.length < LENGTH_BYTES + length) return null;
    const header = parseHeader(this.#prefix.subarray(LENGTH_BYTES, LENGTH_BYTES + length), this.#bytes);
    const { metadata } = readShardLayout(header);
    checkShardIdentity(metadata, this.#expected);
    this.#metadata = metadata;
    return header;
  }
}

function digest() {
  const stream = new crypto.DigestStream('SHA-256');
  // Never read when the check fails earlier.
  stream.digest.catch(() => undefined);
  const writer = stream.getWriter();
  return {
    writer,
    async finish(): Promise<string> {
      await writer.close();
      const bytes = new Uint8Array(await stream.digest);
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    },
  };
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
