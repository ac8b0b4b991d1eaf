/** The Worker that encodes, as the benches order it. */
import type { EncodeOrder, EncodeWay } from "./encode-order.ts";
import type { Contender } from "./interleave.ts";
import type { TableRecords } from "./records.ts";
import { bundle, COMPATIBILITY, startWorkerd, type Workerd } from "./workerd.ts";

export class Encoder implements AsyncDisposable {
  readonly #workerd: Workerd;

  private constructor(workerd: Workerd) {
    this.#workerd = workerd;
  }

  /** Starts it with records of some tables. */
  static async start(tables: readonly TableRecords[]): Promise<Encoder> {
    const script = await bundle("bench/workers/encoder.ts");
    const encoder = new Encoder(
      await startWorkerd([{ name: "encoder", modules: true, script, ...COMPATIBILITY }]),
    );
    for (const { table, records } of tables) await encoder.#send("PUT", table, records);
    return encoder;
  }

  async #send(method: string, path: string, body: unknown): Promise<string> {
    const response = await fetch(new URL(path, this.#workerd.url), { method, body: JSON.stringify(body) });
    if (response.ok) return response.text();
    throw new Error(`the encoder answered ${response.status}: ${await response.text()}`);
  }

  /** Encodes a table's records so many times. @returns bytes of the file */
  async encode(order: EncodeOrder): Promise<number> {
    return Number(await this.#send("POST", "", order));
  }

  contender(name: string, table: string, blockBytes: number, way: EncodeWay): Contender {
    return {
      name,
      process: this.#workerd.process,
      run: async (repetitions) => {
        await this.encode({ ...way, table, blockBytes, repetitions });
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workerd[Symbol.asyncDispose]();
  }
}
