import { UnreadableError } from "../model.ts";
import { HEAD_BYTES } from "./limits.ts";

const decoder = new TextDecoder("utf-8");

/** Whether the beginning of a file holds a NUL, as git tells binary files. UTF-16 counts as binary. */
export function isBinary(bytes: Uint8Array): boolean {
  const head = Math.min(bytes.length, HEAD_BYTES);
  return Buffer.from(bytes.buffer, bytes.byteOffset, head).includes(0);
}

/**
 * The text of a file. Bytes that are not UTF-8 become U+FFFD: a comment in an old encoding
 * must not hide the calls around it. A byte order mark is dropped.
 * @throws {UnreadableError} when it is binary
 */
export function decodeText(bytes: Uint8Array): string {
  if (isBinary(bytes)) throw new UnreadableError("It is binary: there is a NUL byte in its first 8 KiB.");
  return decoder.decode(bytes);
}
