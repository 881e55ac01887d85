/** SHA-256 by WebCrypto: the same in Node, in a browser and in workerd. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  // WebCrypto refuses shared memory, so such bytes are copied first.
  const plain =
    bytes.buffer instanceof ArrayBuffer
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : bytes.slice();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', plain));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
