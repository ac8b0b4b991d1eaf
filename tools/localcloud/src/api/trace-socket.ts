/**
 * The server's side of a tail's WebSocket (RFC 6455). It speaks and, but for pings and the end, does not listen.
 * Not a library's, because wrangler sends its first message unmasked, at which a server that keeps to the
 * letter (§5.1) must hang up; Cloudflare's does not.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

const PROTOCOL = "trace-v1";
/** RFC 6455 §1.3. */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** A client that reads too slowly misses messages once so many bytes wait for it. */
const MAX_WAITING = 8 * 1024 * 1024;
/** Bytes of the longest frame that a client may send: it has nothing to tell. */
const MAX_FRAME = 16 * 1024;

/** How long a client may take to hang up once the connection is at its end, in milliseconds. */
const LAST_WORD_MS = 1000;

const OPCODE = { TEXT: 1, CLOSE: 8, PING: 9, PONG: 10 } as const;

/** RFC 6455 §7.4.1. */
export const CLOSE = { NORMAL: 1000, GOING_AWAY: 1001, TOO_BIG: 1009, INTERNAL: 1011 } as const;

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Bytes that it took. */
  readonly size: number;
}

export class TraceSocket {
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  #received: Buffer = Buffer.alloc(0);

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
  }

  /** Sends a message, unless too much waits already. */
  send(text: string): void {
    if (this.#socket.writableLength <= MAX_WAITING) this.#write(OPCODE.TEXT, Buffer.from(text));
  }

  /** Ends the connection. */
  close(code: number): void {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#end(payload);
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (let frame = readFrame(this.#received); frame !== null; frame = readFrame(this.#received)) {
      if (frame === "too big") return this.close(CLOSE.TOO_BIG);
      this.#received = this.#received.subarray(frame.size);
      if (frame.opcode === OPCODE.PING) this.#write(OPCODE.PONG, frame.payload);
      // The end is answered with the code that it came with.
      if (frame.opcode === OPCODE.CLOSE) return this.#end(frame.payload.subarray(0, 2));
    }
  }

  #write(opcode: number, payload: Buffer): void {
    if (!this.#socket.writable) return;
    this.#socket.write(Buffer.concat([frameHead(opcode, payload.length), payload]));
  }

  #end(payload: Buffer): void {
    this.#write(OPCODE.CLOSE, payload);
    this.#socket.removeAllListeners("data");
    this.#socket.resume();
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), LAST_WORD_MS).unref();
  }
}

/** Answers the request of a client that asks for a tail's protocol; any other is refused with 400. */
export function acceptTraceSocket(request: IncomingMessage, socket: Duplex): TraceSocket | null {
  const key = request.headers["sec-websocket-key"];
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  if (key === undefined || !offered.includes(PROTOCOL)) {
    refuseUpgrade(socket, 400, "Bad Request", `The subprotocol ${PROTOCOL} is required.`);
    return null;
  }
  const accept = createHash("sha1").update(`${key}${ACCEPT_SUFFIX}`).digest("base64");
  socket.write(
    [
      "HTTP/1.1 101 Switching Protocols",
      "upgrade: websocket",
      "connection: Upgrade",
      `sec-websocket-accept: ${accept}`,
      `sec-websocket-protocol: ${PROTOCOL}`,
      "\r\n",
    ].join("\r\n"),
  );
  return new TraceSocket(socket);
}

/** Answers an upgrade with a plain refusal. */
export function refuseUpgrade(socket: Duplex, status: number, reason: string, text: string): void {
  socket.on("error", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  );
}

/** The first frame of what was received, masked or not; `null` while it is not all there. */
function readFrame(bytes: Buffer): Frame | "too big" | null {
  if (bytes.length < 2) return null;
  const short = bytes.readUInt8(1) & 0x7f;
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
  const masked = bytes.readUInt8(1) >= 0x80;
  const start = 2 + extra + (masked ? 4 : 0);
  if (bytes.length < start) return null;
  const length = extra === 0 ? short : extra === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (length > MAX_FRAME) return "too big";
  if (bytes.length < start + length) return null;
  const payload = Buffer.from(bytes.subarray(start, start + length));
  if (masked) {
    const mask = bytes.subarray(start - 4, start);
    for (const [i, byte] of payload.entries()) payload[i] = byte ^ (mask[i % 4] ?? 0);
  }
  return { opcode: bytes.readUInt8(0) & 0x0f, payload, size: start + length };
}

/** The head of a whole message, or of a control frame, from the server: unmasked. */
function frameHead(opcode: number, length: number): Buffer {
  if (length < 126) return Buffer.from([0x80 | opcode, length]);
  if (length < 65_536) return Buffer.from([0x80 | opcode, 126, length >> 8, length & 0xff]);
  const head = Buffer.alloc(10);
  head.writeUInt8(0x80 | opcode, 0);
  head.writeUInt8(127, 1);
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}
