/** Times compute passes of raw WebGPU: on the GPU where it has timestamps, by the wall otherwise. Throws GPU errors. */

/** A pipeline with its buffers, dispatched `times` over in one pass. */
export interface Job {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number];
  readonly times: number;
}

export class PassClock {
  /** Until a timestamp turns out to stand still: some drivers have them and do not count. */
  isGpu: boolean;
  readonly #device: GPUDevice;
  readonly #queries: GPUQuerySet | null;
  readonly #resolved: GPUBuffer;
  readonly #landing: GPUBuffer;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.isGpu = device.features.has('timestamp-query');
    this.#queries = this.isGpu ? device.createQuerySet({ type: 'timestamp', count: 2 }) : null;
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    this.#resolved = device.createBuffer({ size: 256, usage: QUERY_RESOLVE | COPY_SRC });
    this.#landing = device.createBuffer({ size: 256, usage: COPY_DST | MAP_READ });
  }

  destroy(): void {
    this.#queries?.destroy();
    this.#resolved.destroy();
    this.#landing.destroy();
  }

  /** Bound to 0, 1, … of group 0. */
  async job(
    code: string,
    buffers: readonly GPUBuffer[],
    workgroups: readonly [number, number],
    times: number,
  ): Promise<Job> {
    const device = this.#device;
    const module = device.createShaderModule({ code });
    const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    return { pipeline, group, workgroups, times };
  }

  /** Milliseconds of one of the job's dispatches. */
  async time(job: Job): Promise<number> {
    const device = this.#device;
    device.pushErrorScope('validation');
    device.pushErrorScope('out-of-memory');
    const encoder = device.createCommandEncoder();
    const querySet = this.#queries;
    const timestampWrites = { beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
    const pass = encoder.beginComputePass(
      querySet ? { timestampWrites: { querySet, ...timestampWrites } } : {},
    );
    fill(pass, job);
    pass.end();
    if (querySet) {
      encoder.resolveQuerySet(querySet, 0, 2, this.#resolved, 0);
      encoder.copyBufferToBuffer(this.#resolved, 0, this.#landing, 0, 16);
    }
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    const wall = performance.now() - start;
    for (const error of [await device.popErrorScope(), await device.popErrorScope()]) {
      if (error) throw new Error(error.message);
    }
    if (!querySet) return wall / job.times;
    await this.#landing.mapAsync(GPUMapMode.READ, 0, 16);
    const [begin = 0n, end = 0n] = new BigUint64Array(this.#landing.getMappedRange(0, 16));
    this.#landing.unmap();
    if (end > begin) return Number(end - begin) / 1e6 / job.times;
    this.isGpu = false;
    return wall / job.times;
  }

  /** Milliseconds of the CPU for each dispatch, until the command buffer is there. It is run too, but not waited for. */
  async encode(job: Job): Promise<number> {
    const start = performance.now();
    const encoder = this.#device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    fill(pass, job);
    pass.end();
    const commands = encoder.finish();
    const taken = performance.now() - start;
    this.#device.queue.submit([commands]);
    await this.#device.queue.onSubmittedWorkDone();
    return taken / job.times;
  }

  /** Milliseconds of each of `count` submissions of one dispatch, encoded before. */
  async submits(job: Job, count: number): Promise<number> {
    const commands = Array.from({ length: count }, () => {
      const encoder = this.#device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      fill(pass, { ...job, times: 1 });
      pass.end();
      return encoder.finish();
    });
    const start = performance.now();
    for (const command of commands) this.#device.queue.submit([command]);
    await this.#device.queue.onSubmittedWorkDone();
    return (performance.now() - start) / count;
  }

  /** Milliseconds of a write, a dispatch, and a read of 16 bytes. */
  async roundTrip(job: Job, input: GPUBuffer, output: GPUBuffer): Promise<number> {
    const times = 20;
    const start = performance.now();
    for (let i = 0; i < times; i++) {
      this.#device.queue.writeBuffer(input, 16, Uint32Array.of(i, i, i, i));
      const encoder = this.#device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      fill(pass, { ...job, times: 1 });
      pass.end();
      encoder.copyBufferToBuffer(output, 0, this.#landing, 0, 16);
      this.#device.queue.submit([encoder.finish()]);
      await this.#landing.mapAsync(GPUMapMode.READ, 0, 16);
      this.#landing.unmap();
    }
    return (performance.now() - start) / times;
  }
}

function fill(pass: GPUComputePassEncoder, { pipeline, group, workgroups, times }: Job): void {
  for (let i = 0; i < times; i++) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...workgroups);
  }
}
