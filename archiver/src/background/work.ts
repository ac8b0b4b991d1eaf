/** What the canary archiver does for the stable one: the work itself, as it will do it when it is promoted. */
import { consume, type ConsumeBindings } from "../buffer/index.ts";
import type { BackgroundDelivery, BackgroundMessage } from "./contract.ts";

/**
 * Stores messages as the queue consumer does. It gives none up: one that cannot
 * be read is left to the caller, who may be able to.
 */
export async function consumeForStable(
  messages: readonly BackgroundMessage[],
  bindings: Omit<ConsumeBindings, "deadLetters">,
): Promise<BackgroundDelivery> {
  const acked: string[] = [];
  const deliveries = messages.map((message) => ({
    ...message,
    ack: () => void acked.push(message.id),
    retry: () => {},
  }));
  await consume({ messages: deliveries }, { ...bindings, deadLetters: LEFT_TO_THE_CALLER });
  return { acked };
}

async function refuse(): Promise<never> {
  throw new Error("a canary gives up no message");
}

const LEFT_TO_THE_CALLER: ConsumeBindings["deadLetters"] = { send: refuse, sendBatch: refuse };
