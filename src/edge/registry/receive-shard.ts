/**
 * Takes an uploaded shard file in one pass: bytes go to the bucket while header and hashes are checked, so that no file
 * has to fit into the Worker's memory. The object lies under a key that nothing refers to until the registry has it;
 * when anything is wrong it is removed, and nothing was published.
 */
import { CallerError } from '../../base/errors.ts';
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
  const pipe = new FixedLengthStream(upload.bytes);
  // Whatever `put` says comes out below; this keeps an early failure from counting as unhandled.
  const stored = target.bucket.put(target.key, pipe.readable).then(
    () => null,
    (cause: unknown) => ({ cause }),
  );
  try {
    const received = await check(upload, pipe.writable, expected);
    const failure = await stored;
    if (failure) throw failure.cause;
    return received;
  } catch (error) {
    await pipe.writable.abort(error).catch(() => undefined);
    await stored;
    await target.bucket.delete(target.key);
    throw error;
  }
}

async function check(
  upload: { readonly body: ReadableStream<Uint8Array>; readonly bytes: number },
  sink: WritableStream,
  expected: ExpectedShard,
): Promise<ReceivedShard> {
  const inspector = new ShardInspector(upload.bytes, expected);
  const writer = sink.getWriter();
  const reader = upload.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new CallerError('shard_truncated', 'The upload ended early; send the file again.', { cause });
      });
      if (done) break;
      await inspector.feed(value);
      await writer.write(value);
    }
    const received = await inspector.finish();
    await writer.close();
    return received;
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error;
  } finally {
    writer.releaseLock();
  }
}

/** Follows the bytes of one file: first its header, which is checked as soon as it is complete, then the tensors. */
class ShardInspector {
  readonly #bytes: number;
  readonly #expected: ExpectedShard;
  readonly #file = digest();
  readonly #tensors = digest();
  #prefix = new Uint8Array(0);
  #header: SafetensorsHeader | null = null;
  #metadata: ShardMetadata | null = null;
  #seen = 0;

  constructor(bytes: number, expected: ExpectedShard) {
    this.#bytes = bytes;
    this.#expected = expected;
  }

  async feed(chunk: Uint8Array): Promise<void> {
    this.#seen += chunk.length;
    if (this.#seen > this.#bytes) {
      throw new CallerError('shard_too_long', 'The upload is longer than its Content-Length says.');
    }
    await this.#file.writer.write(chunk);
    if (this.#header) {
      await this.#tensors.writer.write(chunk);
      return;
    }
    this.#prefix = concat(this.#prefix, chunk);
    if (!this.#readHeader()) return;
    await this.#tensors.writer.write(this.#prefix.subarray(this.#header!.dataOffset));
    this.#prefix = new Uint8Array(0);
  }

  async finish(): Promise<ReceivedShard> {
    if (this.#seen < this.#bytes || !this.#metadata) {
      throw new CallerError('shard_truncated', 'The upload ended early; send the file again.');
    }
    const [file, tensors] = await Promise.all([this.#file.finish(), this.#tensors.finish()]);
    if (tensors !== this.#metadata.tensorsSha256) {
      throw new CallerError(
        'shard_hash_mismatch',
        'The tensor bytes do not match the hash in the metadata; copy the shard again.',
      );
    }
    return { sha256: file, metadata: this.#metadata };
  }

  /** True once the header is there; throws where it is not that of the expected shard. */
  #readHeader(): boolean {
    if (this.#prefix.length < LENGTH_BYTES) return false;
    const length = readHeaderLength(this.#prefix, this.#bytes, MAX_SHARD_HEADER_BYTES);
    if (this.#prefix.length < LENGTH_BYTES + length) return false;
    this.#header = parseHeader(this.#prefix.subarray(LENGTH_BYTES, LENGTH_BYTES + length), this.#bytes);
    this.#metadata = readShardLayout(this.#header).metadata;
    checkShardIdentity(this.#metadata, this.#expected);
    return true;
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
