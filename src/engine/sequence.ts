/** One request inside the engine: its tokens, how many of them lie in the KV cache, its pages and its reader. */
import { createRandom, type Random } from '../base/random.ts';
import { EventQueue } from './event-queue.ts';
import { SeenTokens } from './seen-tokens.ts';
import type { GenerateRequest, TokenEvent, TokenLogprobs } from './request.ts';

export class Sequence {
  readonly request: GenerateRequest;
  readonly routeKey: string;
  readonly events: EventQueue<TokenEvent>;
  readonly random: Random;
  /** Prompt and answer never grow beyond this. */
  readonly maxLength: number;
  readonly promptLogprobs: (TokenLogprobs | null)[] = [null];
  /** Keys and values of tokens [0, computed) are in the cache. */
  computed = 0;
  pages: number[] = [];
  /** Nothing is delivered any more; the engine takes the sequence out when no step under way reads it. */
  ended = false;
  /** Runs once when the engine lets go of the sequence. */
  onEnd: () => void = () => {};
  readonly #tokens: Uint32Array;
  #length: number;
  #seen: SeenTokens | undefined;

  constructor(request: GenerateRequest, options: { routeKey: string; seed: number; maxLength: number }) {
    this.request = request;
    this.routeKey = options.routeKey;
    this.maxLength = options.maxLength;
    this.random = createRandom(options.seed);
    this.events = new EventQueue(() => (this.ended = true));
    this.#tokens = new Uint32Array(Math.max(options.maxLength, request.prompt.length));
    this.#tokens.set(request.prompt);
    this.#length = request.prompt.length;
  }

  /** For penalties; made when one first asks. */
  get seen(): SeenTokens {
    const generated = this.tokens.subarray(this.promptLength);
    return (this.#seen ??= new SeenTokens(this.request.prompt, generated, this.#tokens.length));
  }

  get length(): number {
    return this.#length;
  }

  get promptLength(): number {
    return this.request.prompt.length;
  }

  get generated(): number {
    return this.#length - this.promptLength;
  }

  /** Tokens that are known but not yet in the cache: 1 while decoding. */
  get pending(): number {
    return this.#length - this.computed;
  }

  get tokens(): Uint32Array {
    return this.#tokens.subarray(0, this.#length);
  }

  /** Whether prompt positions still have to be scored. */
  get scoresPrompt(): boolean {
    return this.request.promptLogprobs !== undefined && this.promptLogprobs.length < this.promptLength;
  }

  append(token: number): void {
    this.#tokens[this.#length] = token;
    this.#length += 1;
    this.#seen?.add(token);
  }

  /** Delivers the last event, or the failure in its place; pages and route stay in use until `release`. */
  end(last: TokenEvent | Error): void {
    this.ended = true;
    if (last instanceof Error) return this.events.close(last);
    this.events.push(last);
    this.events.close();
  }

  /** No forward pass may follow. */
  release(): void {
    this.onEnd();
    this.request.onReleased?.();
  }
}
