/** Canary archivers: one that is as good as the stable one, and the ways in which a release can be bad. */
import { consumeForStable } from "../src/background/index.ts";
import type { BackgroundApi, BackgroundDelivery, BackgroundMessage } from "../src/contract.ts";
import type { TestArchiver } from "./archiver.ts";

type Consume = BackgroundApi["consume"];

/** A canary that consumes as it is told, and whose runs succeed. */
export function canary(consume: Consume, run: BackgroundApi["run"] = succeed): BackgroundApi {
  return { consume, run };
}

const succeed: BackgroundApi["run"] = async () => ({ failed: [] });

/** Never answers. */
export const hang = (): Promise<never> => new Promise(() => {});

export const fail = async (): Promise<never> => {
  throw new TypeError("Cannot read properties of undefined (reading 'records')");
};

/** An answer that breaks the contract, as another version may give it. */
const strange = (answer: unknown) => async (): Promise<BackgroundDelivery> => answer as BackgroundDelivery;

const idsOf = (messages: readonly BackgroundMessage[]): readonly string[] => messages.map(({ id }) => id);

/** Consumers that work on the storage of an archiver. */
export function consumers({ bindings }: TestArchiver) {
  const store: Consume = (messages) => consumeForStable(messages, bindings);
  const half = (messages: readonly BackgroundMessage[]) => messages.slice(0, Math.ceil(messages.length / 2));
  return {
    good: store,
    "throws at once": fail,
    "stores, and then throws": async (messages) => {
      await store(messages);
      return fail();
    },
    "stores half, and then throws": async (messages) => {
      await store(half(messages));
      return fail();
    },
    hangs: hang,
    "stores, and then hangs": async (messages) => {
      await store(messages);
      return hang();
    },
    "acknowledges what it does not store": async (messages) => ({ acked: idsOf(messages) }),
    "acknowledges all and stores half": async (messages) => {
      await store(half(messages));
      return { acked: idsOf(messages) };
    },
    "stores half, and says so": (messages) => store(half(messages)),
    "stores, and does not say so": async (messages) => {
      await store(messages);
      return { acked: [] };
    },
    "acknowledges messages of others": async () => ({ acked: ["delivery-1", "no such message", ""] }),
    "answers nothing": strange(undefined),
    "answers in another form": strange({ acked: "delivery-1", stored: 4 }),
    "answers with numbers": strange({ acked: [1, null, {}] }),
  } as const satisfies Readonly<Record<string, Consume>>;
}
export type ConsumerName = keyof ReturnType<typeof consumers>;
