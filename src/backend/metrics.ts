/** Prometheus metrics under vLLM's names, so that dashboards made for it work here. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Engine } from '../engine/engine.ts';
import type { ShardStore } from './shard-store.ts';

export interface RequestMeter {
  /** A piece of the answer with this many tokens has come. */
  tokens(count: number): void;
  finish(reason: 'stop' | 'length', usage: { promptTokens: number; completionTokens: number }): void;
  fail(reason: 'abort' | 'error'): void;
}

export interface HostMetrics {
  readonly contentType: string;
  render(): Promise<string>;
  begin(): RequestMeter;
}

const fast = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30];
const slow = [0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480];

export function createMetrics(parts: {
  engine: Engine;
  shards: ShardStore;
  modelName: string;
  /** Formats of weights, experts and cache, by label. */
  formats: Readonly<Record<string, string>>;
}): HostMetrics {
  const { engine, shards, modelName, formats } = parts;
  const registry = new Registry();
  registry.setDefaultLabels({ model_name: modelName });
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('vllm:num_requests_running', 'Requests in the running batch.', () => engine.stats().running);
  gauge('vllm:num_requests_waiting', 'Requests that wait for room.', () => engine.stats().waiting);
  gauge('vllm:kv_cache_usage_perc', 'Share of KV cache pages in use, 0 to 1.', () => {
    const { pages, freePages } = engine.stats();
    return pages === 0 ? 0 : 1 - freePages / pages;
  });
  gauge('sparsedoctor:shard_bytes', 'Bytes of resident expert shards.', () =>
    shards.resident().reduce((sum, shard) => sum + shard.bytes, 0),
  );
  gauge(
    'sparsedoctor:preemptions',
    'Requests displaced from the KV cache since the start.',
    () => engine.stats().preemptions,
  );
  new Gauge({
    name: 'sparsedoctor:formats_info',
    help: 'Always 1; the labels are the formats in which numbers are kept.',
    labelNames: Object.keys(formats),
    registers,
  }).set(formats, 1);
  registry.registerMetric(
    new Gauge({
      name: 'vllm:lora_requests_info',
      help: 'Time of the last scrape; the labels list the shards in use and count the resident ones.',
      labelNames: ['running_lora_adapters', 'max_lora'],
      registers: [],
      collect() {
        const resident = shards.resident();
        const used = resident.filter((shard) => shard.leases > 0).map((shard) => shard.specialty);
        this.reset();
        this.set({ running_lora_adapters: used.join(','), max_lora: resident.length }, Date.now() / 1000);
      },
    }),
  );
  const counter = (name: string, help: string, labelNames: string[] = []): Counter =>
    new Counter({ name, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]): Histogram =>
    new Histogram({ name, help, buckets, registers });
  const promptTokens = counter('vllm:prompt_tokens_total', 'Prompt tokens of finished requests.');
  const generationTokens = counter('vllm:generation_tokens_total', 'Generated tokens.');
  const success = counter('vllm:request_success_total', 'Finished requests.', ['finished_reason']);
  const failures = counter('sparsedoctor:request_failures_total', 'Requests that did not finish.', [
    'reason',
  ]);
  const firstToken = histogram('vllm:time_to_first_token_seconds', 'Arrival to first token.', fast);
  const betweenTokens = histogram('vllm:inter_token_latency_seconds', 'Between pieces of an answer.', fast);
  const whole = histogram('vllm:e2e_request_latency_seconds', 'Arrival to end.', slow);

  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    begin() {
      const start = performance.now();
      let last: number | undefined;
      let open = true;
      return {
        tokens(count) {
          const now = performance.now();
          if (last === undefined) firstToken.observe((now - start) / 1000);
          else betweenTokens.observe((now - last) / 1000);
          last = now;
          generationTokens.inc(count);
        },
        finish(reason, usage) {
          if (!open) return;
          open = false;
          promptTokens.inc(usage.promptTokens);
          success.inc({ finished_reason: reason });
          whole.observe((performance.now() - start) / 1000);
        },
        fail(reason) {
          if (!open) return;
          open = false;
          failures.inc({ reason });
        },
      };
    },
  };
}
