/** Erases every record of one dataset. */
import type { ErasureReceipt } from "../../../archiver/src/contract.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Operator } from "./operator.ts";
import { bytes, count, table } from "./text.ts";

/** Calls in a row that may leave as many files as there were before: others may be at work on them. */
const MAX_IDLE_CALLS = 20;
const IDLE_MS = 1_000;

/**
 * Goes on until no object holds anything of the dataset. From the first answer
 * on no read finds anything.
 * @throws {CliError} when it does not come nearer to its end; run it again then
 */
export async function eraseDataset(operator: Operator, datasetId: string): Promise<ErasureReceipt> {
  const { archive, clock, signal, tell } = operator;
  let idle = 0;
  let left = Number.POSITIVE_INFINITY;
  for (;;) {
    const receipt = await archive.erase(datasetId);
    if (receipt.state === "done") return receipt;
    idle = receipt.filesLeft < left ? 0 : idle + 1;
    left = Math.min(left, receipt.filesLeft);
    if (idle === MAX_IDLE_CALLS) {
      throw new CliError(EXIT.failed, `The erasure of ${datasetId} does not get on: ${left} files are left`, {
        hints: ["Nothing of it can be read any more. Run the same again: it goes on where it stands."],
        data: { receipt },
      });
    }
    if (idle > 0) await clock.sleep(IDLE_MS, signal);
    else tell(`${count(receipt.filesLeft)} files are left`);
  }
}

/** Whether there was anything to erase. */
export function hadRecords(receipt: ErasureReceipt): boolean {
  const { hotRows, coldBlocks, deadLetters, filesRewritten, filesDeleted } = receipt;
  return hotRows + coldBlocks + deadLetters + filesRewritten + filesDeleted > 0;
}

/** The receipt, a line a figure. */
export function receiptLines(receipt: ErasureReceipt): readonly string[] {
  const { requestedAt, completedAt } = receipt;
  return table([
    ["receipt", receipt.id],
    ["dataset", receipt.datasetId],
    ["requested", new Date(requestedAt).toISOString()],
    ["completed", completedAt === null ? "not yet" : new Date(completedAt).toISOString()],
    ["hot", `${count(receipt.hotRecords)} records in ${count(receipt.hotRows)} rows`],
    ["cold", `${count(receipt.coldRecords)} records in ${count(receipt.coldBlocks)} blocks`],
    ["dead letters", count(receipt.deadLetters)],
    ["files", `${count(receipt.filesRewritten)} rewritten, ${count(receipt.filesDeleted)} deleted`],
    ["size", `${bytes(receipt.bytesBefore)} → ${bytes(receipt.bytesAfter)}`],
  ]);
}
