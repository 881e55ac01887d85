/**
 * Watches a GPU from below the product's device, which does not know of it: GPU time of every compute pass, CPU time of
 * encoding and submitting. It stands between the device and Dawn, by replacing methods of the objects.
 */

/** Since the last `take`. */
export interface Observed {
  /** Sum over the compute passes; null where the GPU has no timestamps, or more passes ran than fit. */
  readonly gpuMs: number | null;
  /** From a command encoder's creation to its finish. */
  readonly encodeMs: number;
  /** In `queue.submit`. */
  readonly submitMs: number;
  readonly passes: number;
  readonly submits: number;
}

const MAX_PASSES = 2048;

export class GpuProbe {
  #device: GPUDevice | undefined;
  #take: ((passes: number) => Promise<number | null>) | undefined;
  #queries: GPUQuerySet | undefined;
  #passes = 0;
  #encodeMs = 0;
  #submitMs = 0;
  #submits = 0;

  /** The same GPU, whose next device is watched. */
  watch(gpu: GPU): GPU {
    const watched: GPU = Object.create(gpu);
    watched.requestAdapter = async (options) => {
      const adapter = await gpu.requestAdapter(options);
      if (adapter) this.#watchAdapter(adapter);
      return adapter;
    };
    return watched;
  }

  async take(): Promise<Observed> {
    await this.#device?.queue.onSubmittedWorkDone();
    const passes = this.#passes;
    const observed = {
      gpuMs: passes <= MAX_PASSES ? ((await this.#take?.(passes)) ?? null) : null,
      encodeMs: this.#encodeMs,
      submitMs: this.#submitMs,
      passes,
      submits: this.#submits,
    };
    this.#passes = this.#submits = 0;
    this.#encodeMs = this.#submitMs = 0;
    return observed;
  }

  #watchAdapter(adapter: GPUAdapter): void {
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor = {}) => {
      const features = new Set(descriptor.requiredFeatures);
      if (adapter.features.has('timestamp-query')) features.add('timestamp-query');
      const device = await requestDevice({ ...descriptor, requiredFeatures: [...features] });
      this.#watchDevice(device);
      return device;
    };
  }

  #watchDevice(device: GPUDevice): void {
    this.#device = device;
    const createEncoder = device.createCommandEncoder.bind(device);
    const submit = device.queue.submit.bind(device.queue);
    if (device.features.has('timestamp-query')) {
      const queries = device.createQuerySet({ type: 'timestamp', count: 2 * MAX_PASSES });
      const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
      const size = 2 * MAX_PASSES * 8;
      const resolved = device.createBuffer({ size, usage: QUERY_RESOLVE | COPY_SRC });
      const landing = device.createBuffer({ size, usage: COPY_DST | MAP_READ });
      this.#queries = queries;
      this.#take = async (passes) => {
        if (passes === 0) return 0;
        const encoder = createEncoder();
        encoder.resolveQuerySet(queries, 0, 2 * passes, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, landing, 0, 16 * passes);
        submit([encoder.finish()]);
        await landing.mapAsync(GPUMapMode.READ, 0, 16 * passes);
        const times = new BigUint64Array(landing.getMappedRange(0, 16 * passes));
        let sum = 0n;
        for (let pass = 0; pass < passes; pass++) sum += times[2 * pass + 1]! - times[2 * pass]!;
        landing.unmap();
        // Some drivers have timestamps and do not count.
        return sum > 0n ? Number(sum) / 1e6 : null;
      };
    }
    device.createCommandEncoder = (descriptor) => {
      const start = performance.now();
      const encoder = createEncoder(descriptor);
      this.#watchEncoder(encoder, start);
      return encoder;
    };
    const queue: GPUQueue = device.queue;
    queue.submit = (commands) => {
      const start = performance.now();
      const done = submit(commands);
      this.#submitMs += performance.now() - start;
      this.#submits++;
      return done;
    };
  }

  #watchEncoder(encoder: GPUCommandEncoder, start: number): void {
    const beginPass = encoder.beginComputePass.bind(encoder);
    const finish = encoder.finish.bind(encoder);
    encoder.beginComputePass = (descriptor) => {
      const pass = this.#passes++;
      const querySet = this.#queries;
      if (querySet === undefined || pass >= MAX_PASSES) return beginPass(descriptor);
      const places = { beginningOfPassWriteIndex: 2 * pass, endOfPassWriteIndex: 2 * pass + 1 };
      return beginPass({ ...descriptor, timestampWrites: { querySet, ...places } });
    };
    encoder.finish = (descriptor) => {
      const commands = finish(descriptor);
      this.#encodeMs += performance.now() - start;
      return commands;
    };
  }
}
