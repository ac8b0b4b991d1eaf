import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { captureLogs } from "../../../test/hub.ts";
import { noticeBody, type Notice } from "./notices.ts";
import { NOTICE_TRIES } from "./outbox.ts";
import { rolloutObject } from "./stub.ts";
import { MAX_WAITING } from "./store.ts";
import { series, Stage } from "./test-world.ts";

captureLogs();

const SLACK = "https://hooks.slack.example/services/T000/B000/slackSecretPath";
const DISCORD = "https://discord.example/api/webhooks/1/discordSecretPath";
const GENERIC = "https://tell.example/hook?token=genericSecretToken";

async function onStage(play: (stage: Stage) => Promise<void>): Promise<void> {
  if (env.ROLLOUT === undefined) throw new Error("the pool gives the stable hub's bindings");
  await runInDurableObject(rolloutObject(env.ROLLOUT), async (_instance, { storage }) => {
    const stage = new Stage(storage);
    const urls = { NOTIFY_SLACK_URL: SLACK, NOTIFY_DISCORD_URL: DISCORD, NOTIFY_WEBHOOK_URL: GENERIC };
    stage.world.settings = { ...stage.world.settings, ...urls, ADMIN_TOKEN: "admin-token-planted" };
    stage.restart();
    await play(stage);
  });
}

afterEach(async () => {
  await reset();
});

const texts = (stage: Stage): readonly string[] =>
  stage.world.bodies(SLACK).map((body) => JSON.parse(body).text as string);

describe("notices", () => {
  it("tell of the start, every phase, a hold, and a rollback, on every channel and in order", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      stage.say({ kind: "hold", phase: 1 });
      stage.say({ kind: "resume", phase: 1 });
      stage.say({ kind: "rollback", reason: "customers complain" });
      await stage.until(({ rollout }) => !rollout.busy, []);
      const events = stage.world.bodies(GENERIC).map((body) => JSON.parse(body).event);
      expect(events).toEqual(["started", "phase", "held", "resumed", "rolled-back"]);
      expect(texts(stage)).toHaveLength(5);
      expect(texts(stage)[4]).toContain("customers complain");
      expect(stage.world.bodies(DISCORD)).toHaveLength(5);
    }));

  it("tell of a freeze, and why it is one", () =>
    onStage(async (stage) => {
      stage.open({}, { rollback: { safe: false, why: "a column is gone" } });
      await stage.alarm();
      stage.report([series({ lane: "stable", requests: 500 }), series({ requests: 50, errors: 45 })]);
      expect(stage.state.status).toBe("frozen");
      await stage.alarm();
      expect(texts(stage).at(-1)).toContain("a human has to decide");
      expect(texts(stage).at(-1)).toContain("a column is gone");
    }));

  it("tell of the promotion and its end", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.until(({ state }) => state.status === "promoting");
      stage.say({ kind: "promoting", worker: "archiver" });
      stage.say({ kind: "promoting", worker: "hub" });
      stage.say({ kind: "complete", versions: { archiver: "archiver-2", hub: "hub-2" } });
      await stage.until(({ rollout }) => !rollout.busy, []);
      const events = stage.world.bodies(GENERIC).map((body) => JSON.parse(body).event);
      expect(events).toEqual(["started", "phase", "phase", "phase", "promoting", "done"]);
    }));

  it("to the generic channel are signed", () =>
    onStage(async (stage) => {
      stage.open();
      await stage.alarm();
      const request = stage.world.received.find(({ url }) => url === GENERIC);
      expect(request?.headers.get("strata-signature")).toMatch(/^t=\d+,v1=[0-9a-f]{64}$/);
    }));

  it("are tried again, later each time, and keep their order", () =>
    onStage(async (stage) => {
      stage.world.answer = ({ url }) => new Response("", { status: url === SLACK ? 500 : 200 });
      stage.open({
        phases: [
          { shares: { read: 10 }, soakMs: 600_000 },
          { shares: { read: 100, write: 100, background: 100 } },
        ],
      });
      await stage.alarm();
      await stage.alarm();
      stage.say({ kind: "hold", phase: 1 });
      await stage.alarm();
      expect(stage.world.bodies(DISCORD).length).toBeGreaterThan(2);
      expect(new Set(stage.world.bodies(SLACK)).size).toBe(1);
      stage.world.answer = () => new Response("ok");
      for (let alarms = 0; alarms < 8; alarms += 1) await stage.alarm();
      const distinct = [...new Set(texts(stage))];
      expect(distinct.map((text) => text.split(":")[1]?.trim().split(" ")[0])).toEqual([
        "rollout",
        "in",
        "held",
      ]);
    }));

  it("wait as long as a channel asks for", () =>
    onStage(async (stage) => {
      stage.world.answer = ({ url }) =>
        url === SLACK
          ? new Response("", { status: 429, headers: { "retry-after": "30" } })
          : new Response("ok");
      stage.open();
      const begun = stage.world.time;
      await stage.until(({ world }) => world.bodies(SLACK).length === 2, []);
      expect(stage.world.time - begun).toBeGreaterThanOrEqual(30_000);
    }));

  it("are given up after some tries, with a log line, and the next one has its turn", () =>
    onStage(async (stage) => {
      stage.world.answer = ({ url }) => new Response("", { status: url === SLACK ? 503 : 200 });
      stage.open();
      stage.say({ kind: "rollback", reason: "over" });
      await stage.until(({ rollout }) => !rollout.busy, []);
      const bodies = stage.world.bodies(SLACK);
      const [first] = bodies;
      expect(bodies.filter((body) => body === first)).toHaveLength(NOTICE_TRIES);
      expect(new Set(bodies).size).toBeGreaterThan(1);
      expect(stage.world.logs.some((line) => line.includes("rollout-message-dropped"))).toBe(true);
    }));

  it("to a channel that is gone are dropped at once", () =>
    onStage(async (stage) => {
      stage.world.answer = ({ url }) => new Response("", { status: url === SLACK ? 404 : 200 });
      stage.open();
      await stage.alarm();
      expect(new Set(stage.world.bodies(SLACK)).size).toBe(stage.world.bodies(SLACK).length);
    }));

  it(
    "never delay a rollback, even where a channel does not answer at all",
    () =>
      onStage(async (stage) => {
        stage.world.answer = () => new Promise(() => {});
        stage.open();
        await stage.rollout.alarm();
        await stage.rollout.alarm();
        stage.report([series({ lane: "stable", requests: 500 }), series({ requests: 50, errors: 45 })]);
        expect(stage.state.status).toBe("rolled-back");
        expect(stage.rollout.view.id).toBeNull();
      }),
    15_000,
  );

  it(
    "are bounded: the oldest go first, with a log line",
    () =>
      onStage(async (stage) => {
        stage.world.answer = () => Promise.reject(new Error("no route"));
        stage.open();
        await stage.alarm();
        for (let turn = 0; turn < MAX_WAITING.notice; turn += 1) {
          stage.say({ kind: "hold", phase: 1 });
          stage.say({ kind: "resume", phase: 1 });
        }
        const dropped = stage.world.logs.filter((line) => line.includes("too many wait"));
        expect(dropped.length).toBeGreaterThan(100);
      }),
    30_000,
  );

  it("and logs and history hold no secret, whatever a reason, a webhook or an error says", () =>
    onStage(async (stage) => {
      const planted = [
        "admin-token-planted",
        "webhook-key-0123456789",
        "slackSecretPath",
        "discordSecretPath",
        "genericSecretToken",
        "bearerTokenPlanted",
        "queryPlanted",
        "passwordPlanted",
      ];
      stage.world.archiver = () => {
        throw new Error(`cannot reach ${GENERIC} with admin-token-planted`);
      };
      stage.world.database = () => {
        throw new Error("D1 refused webhook-key-0123456789");
      };
      stage.world.answer = ({ url }) =>
        url.includes("gates")
          ? new Response(`no: ${SLACK} Authorization: Bearer bearerTokenPlanted`, { status: 409 })
          : new Response("ok");
      const webhooks = [{ name: "load", url: "https://gates.example/load" }];
      const phases = [
        { shares: { read: 10 }, soakMs: 0, gate: { passLimit: 1 }, webhooks },
        { shares: { read: 100, write: 100, background: 100 } },
      ];
      stage.open({ phases });
      await stage.until(({ state }) => state.pause?.why === "webhook");
      stage.say({
        kind: "rollback",
        reason:
          `see https://ada:passwordPlanted@ci.example/run?key=queryPlanted with Bearer bearerTokenPlanted ` +
          `or admin-token-planted, ${DISCORD}`,
      });
      for (let alarms = 0; alarms < 3; alarms += 1) await stage.alarm();
      stage.world.database = () => {};
      await stage.until(({ world }) => world.recorded.at(-1)?.status === "rolled-back", []);
      const { logs, received, recorded } = stage.world;
      const out = JSON.stringify([logs, received.map(({ body }) => body), recorded, stage.state.transitions]);
      expect(planted.filter((secret) => out.includes(secret))).toEqual([]);
      expect(out).toContain("https://ci.example/run");
    }));
});

describe("the text of a notice", () => {
  const notice: Notice = {
    event: "rolled-back",
    environment: "production",
    rollout: "id",
    revision: 7,
    release: "r-1",
    status: "rolled-back",
    phase: 1,
    phases: 3,
    shares: { read: 0, write: 0, background: 0 },
    by: "judge",
    at: "2026-11-22T08:00:00.000Z",
    reason: "<!channel> <@U123> @everyone @here & [click](https://evil.example) `code`",
  };

  it("calls nobody on Slack", () => {
    const { text } = JSON.parse(noticeBody("slack", notice));
    expect(text).not.toMatch(/<|>|@everyone|@here/);
    expect(text).toContain("&lt;!channel&gt;");
    expect(text).toContain("&amp;");
  });

  it("calls nobody on Discord, and holds no markup", () => {
    const { content, allowed_mentions } = JSON.parse(noticeBody("discord", notice));
    expect(allowed_mentions).toEqual({ parse: [] });
    expect(content).not.toMatch(/@everyone|@here|<@U|(?<!\\)\[click/);
  });

  it("fits into what Discord takes, cut between characters", () => {
    const { content } = JSON.parse(noticeBody("discord", { ...notice, reason: "😀".repeat(3_000) }));
    expect(content.length).toBeLessThanOrEqual(2_000);
    expect(content.isWellFormed()).toBe(true);
  });
});
