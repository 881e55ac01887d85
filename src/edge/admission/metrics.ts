/**
 * Counters and histograms of the edge in Prometheus' text format, vLLM's names where vLLM has one. They live in the
 * admission object, which sees every request; isolates of the Worker share no memory. prom-client is not used: it needs
 * Node's modules, and the Worker runs without them. Counters begin at zero after a restart, which Prometheus expects.
 */
import type { Outcome, RefusalReason } from './types.ts';

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

class Histogram {
  readonly #counts = SECONDS.map(() => 0);
  #sum = 0;
  #count = 0;

  observe(seconds: number): void {
    this.#sum += seconds;
    this.#count += 1;
    for (const [index, bound] of SECONDS.entries()) {
      if (seconds <= bound) this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    }
  }

  lines(name: string): string[] {
    return [
      ...SECONDS.map((bound, index) => `${name}_bucket{le="${bound}"} ${this.#counts[index] ?? 0}`),
      `${name}_bucket{le="+Inf"} ${this.#count}`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
    ];
  }
}

export interface Gauges {
  readonly running: number;
  readonly waiting: number;
  readonly hosts: number;
  readonly capacity: number;
  readonly leasesExpired: number;
  readonly active: Readonly<Record<string, string>>;
}

export class EdgeMetrics {
  readonly #firstToken = new Histogram();
  readonly #whole = new Histogram();
  readonly #queued = new Histogram();
  readonly #results = new Map<Outcome['result'], number>();
  readonly #refused = new Map<RefusalReason, number>();
  #promptTokens = 0;
  #generationTokens = 0;

  granted(queueMs: number): void {
    this.#queued.observe(queueMs / 1000);
  }

  refused(reason: RefusalReason): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  finished(outcome: Outcome): void {
    this.#results.set(outcome.result, (this.#results.get(outcome.result) ?? 0) + 1);
    if (outcome.result === 'retry') return;
    this.#whole.observe(outcome.totalMs / 1000);
    if (outcome.firstTokenMs !== null) this.#firstToken.observe(outcome.firstTokenMs / 1000);
    this.#promptTokens += outcome.promptTokens;
    this.#generationTokens += outcome.completionTokens;
  }

  render(gauges: Gauges): string {
    const retries = this.#results.get('retry') ?? 0;
    const ended = [...this.#results].filter(([result]) => result !== 'retry');
    const blocks = [
      single('vllm:num_requests_running', 'gauge', 'Requests that hold a slot.', gauges.running),
      single('vllm:num_requests_waiting', 'gauge', 'Requests in the queue.', gauges.waiting),
      block(
        'vllm:time_to_first_token_seconds',
        'histogram',
        'From arrival at the edge to the first token.',
        (name) => this.#firstToken.lines(name),
      ),
      block('vllm:e2e_request_latency_seconds', 'histogram', 'From arrival at the edge to the end.', (name) =>
        this.#whole.lines(name),
      ),
      block('vllm:request_queue_time_seconds', 'histogram', 'Time in the queue.', (name) =>
        this.#queued.lines(name),
      ),
      single('vllm:prompt_tokens_total', 'counter', 'Tokens of prompts.', this.#promptTokens),
      single('vllm:generation_tokens_total', 'counter', 'Tokens of answers.', this.#generationTokens),
      block('vllm:request_success_total', 'counter', 'Ended requests by reason.', (name) =>
        ended.map(([result, value]) => `${name}{finished_reason="${result}"} ${value}`),
      ),
      block('sparsedoctor_edge_refused_total', 'counter', 'Requests refused by the queue.', (name) =>
        [...this.#refused].map(([reason, value]) => `${name}{reason="${reason}"} ${value}`),
      ),
      single('sparsedoctor_edge_retries_total', 'counter', 'Slots given back to try another host.', retries),
      single(
        'sparsedoctor_edge_leases_expired_total',
        'counter',
        'Leases that ran out.',
        gauges.leasesExpired,
      ),
      single('sparsedoctor_edge_hosts', 'gauge', 'Live hosts.', gauges.hosts),
      single('sparsedoctor_edge_capacity', 'gauge', 'Slots of live hosts.', gauges.capacity),
      block('sparsedoctor_edge_active_shard', 'gauge', 'Version that new requests use.', (name) =>
        Object.entries(gauges.active).map(
          ([specialty, version]) => `${name}{specialty="${specialty}",version="${version}"} 1`,
        ),
      ),
    ];
    return `${blocks.join('\n')}\n`;
  }
}

function single(name: string, type: 'gauge' | 'counter', help: string, value: number): string {
  return block(name, type, help, () => [`${name} ${value}`]);
}

/** Label values are names of a restricted alphabet, so nothing needs escaping. */
function block(
  name: string,
  type: 'gauge' | 'counter' | 'histogram',
  help: string,
  lines: (name: string) => readonly string[],
): string {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines(name)].join('\n');
}
