/** A call that may take its time, or for ever. */

export type Answer =
  | { readonly kind: "answered"; readonly value: unknown }
  | { readonly kind: "threw"; readonly error: unknown }
  | { readonly kind: "overdue" };

/**
 * Waits for a call, but not longer than `ms`. One that comes back later is heard by nobody.
 * The value is `unknown`: the other side may be any version.
 */
export async function answerWithin(ms: number, call: () => Promise<unknown>): Promise<Answer> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const overdue = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => resolve({ kind: "overdue" }), ms);
  });
  try {
    return await Promise.race([settle(call), overdue]);
  } finally {
    clearTimeout(timer);
  }
}

async function settle(call: () => Promise<unknown>): Promise<Answer> {
  try {
    return { kind: "answered", value: await call() };
  } catch (error) {
    return { kind: "threw", error };
  }
}
