/** What gpu-faults.ts checks, in words. */
export const gpuFaults = {
  lost: 'a lost device rejects all that waits and all that comes, and tells its owner',
  closed: 'a device that its owner closes is not lost',
  memory: 'memory that the driver does not give is told with label and bytes, and the device goes on',
  staging: 'a shard for which there is no memory is refused, takes no slot, and the device goes on',
  refusal: 'an error of a submission rejects that submission, and the next one works',
} as const;
