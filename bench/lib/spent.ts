/** What the metered archiver counts. */
import type { Spend } from "../../archiver/src/contract.ts";

export interface Spent extends Spend {
  /** Messages sent to the queue, and operations that sending, delivering and deleting them are billed as. */
  readonly messages: number;
  readonly queueOperations: number;
  /** Calls of the Worker's queue handler. */
  readonly deliveries: number;
}
