/**
 * The event stream to one client, which also watches whether the client is still there: workerd does not report a closed
 * connection before the first byte, but a write to it fails. So something is written whenever nothing else is.
 */
import { encodeComment } from '../../protocol/sse.ts';

const HEARTBEAT_MS = 250;
/** Once tokens flow, their own writes show a closed connection; this covers long pauses. */
const HEARTBEATS_SKIPPED_AFTER_FIRST_TOKEN = 8;

export class ClientStream {
  readonly readable: ReadableStream;
  readonly #writer: WritableStreamDefaultWriter;
  readonly #encoder = new TextEncoder();
  readonly #onGone: () => void;
  readonly #stallMs: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #idleTicks = 0;
  #started = false;
  #closed = false;
  #pendingSince: number | null = null;

  /** `onGone` is called once, when the client has left or has read nothing for `stallMs`. */
  constructor(options: { readonly stallMs: number; readonly onGone: () => void }) {
    const { readable, writable } = new IdentityTransformStream();
    this.readable = readable;
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(() => this.#gone());
    this.#onGone = options.onGone;
    this.#stallMs = options.stallMs;
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS);
  }

  /** Resolves when the client has taken the text: a slow client slows the host down, instead of filling memory. */
  async write(text: string): Promise<void> {
    if (this.#closed) return;
    this.#started = true;
    await this.#send(text);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#stop();
    await this.#writer.close().catch(() => undefined);
  }

  async #send(text: string): Promise<void> {
    this.#idleTicks = 0;
    this.#pendingSince ??= Date.now();
    try {
      await this.#writer.write(this.#encoder.encode(text));
      this.#pendingSince = null;
    } catch {
      this.#gone();
    }
  }

  #beat(): void {
    this.#idleTicks += 1;
    if (this.#pendingSince !== null) {
      if (Date.now() - this.#pendingSince > this.#stallMs) this.#gone();
      return;
    }
    if (this.#started && this.#idleTicks < HEARTBEATS_SKIPPED_AFTER_FIRST_TOKEN) return;
    void this.#send(encodeComment(this.#started ? 'waiting' : 'queued'));
  }

  #gone(): void {
    if (this.#closed) return;
    this.#stop();
    this.#onGone();
    void this.#writer.abort().catch(() => undefined);
  }

  #stop(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }
}
