/** The subjects of a generated repository: domains with their records and fields, in many words. */
import type { Random } from "../../archiver/conformance/random.ts";
import type { Item } from "./kv-template.ts";

const SUBJECTS = [
  "order invoice refund",
  "loan book reader",
  "ticket seat venue",
  "parcel depot courier",
  "lesson teacher course",
  "patient visit ward",
  "ferry berth crossing",
  "recipe pantry menu",
  "bicycle rental station",
  "podcast episode listener",
  "exhibit gallery guide",
  "harvest field orchard",
  "tenant lease flat",
  "sensor reading alert",
  "match player season",
  "trail hut ranger",
  "claim policy adjuster",
  "shift roster nurse",
  "voucher campaign shopper",
  "kiln glaze vessel",
  "grant applicant panel",
  "auction bid lot",
  "charter crew cabin",
  "tariff meter household",
  "fossil dig museum",
  "petition signer council",
  "garment pattern tailor",
  "chapter author edition",
  "beacon buoy keeper",
  "quarry block mason",
  "drone flight permit",
  "vineyard cask tasting",
  "tram stop timetable",
  "choir concert score",
  "survey question answer",
  "shelter animal adopter",
  "greenhouse seedling batch",
  "studio canvas patron",
  "archive letter scan",
  "workshop tool member",
  "carriage coupling yard",
  "observatory target night",
] as const;

const TEXT_FIELDS =
  "title summary owner remark street city country colour material language category origin contact phone reference nickname motto supplier".split(
    " ",
  );
const NUMBER_FIELDS =
  "price weight height width quantity rating capacity distance duration discount deposit balance age floor priority temperature votes".split(
    " ",
  );
const BINDING_ENDS = ["KV", "CACHE", "STATE", "STORE", "RECORDS"] as const;
/** What a map in memory is called; one of them is what a namespace is often called. */
const MEMORY_NAMES = ["asked", "counts", "kv", "hits", "marks", "memory"] as const;
const TEXTS_PER_RECORD = 4;
const NUMBERS_PER_RECORD = 3;

const capital = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
const pascal = (words: readonly string[]): string => words.map(capital).join("");

function several<T>(random: Random, from: readonly T[], count: number): readonly T[] {
  const left = [...from];
  return Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(random.below(left.length), 1),
  ).flat();
}

function fieldItem(random: Random, name: string, type: "string" | "number"): Item {
  const prefix = random.pick(["", "first", "last", "main", "net", "old"]);
  const words = prefix === "" ? [name] : [prefix, name];
  return {
    words: {
      Field: pascal(words),
      field: `${words[0] ?? name}${pascal(words.slice(1))}`,
      FIELD: words.join("_").toUpperCase(),
      column: words.join("_"),
      type,
      number: String(20 + random.below(980)),
    },
    lists: {},
  };
}

function recordItem(random: Random, subject: string, name: string): Item {
  const texts = several(random, TEXT_FIELDS, TEXTS_PER_RECORD).map((field) =>
    fieldItem(random, field, "string"),
  );
  const numbers = several(random, NUMBER_FIELDS, NUMBERS_PER_RECORD).map((field) =>
    fieldItem(random, field, "number"),
  );
  return {
    words: {
      Entity: capital(name),
      entity: name,
      ENTITY: name.toUpperCase(),
      table: `${subject}_${name}`,
      number: String(60 + random.below(3_600)),
    },
    lists: { field: [...texts, ...numbers], "text field": texts, "number field": numbers },
  };
}

/** One domain: what a folder of the repository is about. */
function domainItem(random: Random, subject: string): Item {
  const names = subject.split(" ");
  const first = names[0] ?? subject;
  return {
    words: {
      Domain: `${capital(first)}s`,
      domain: `${first}s`,
      DOMAIN: `${first.toUpperCase()}S`,
      folder: `${first}s`,
      First: capital(first),
      first,
      table: `${first}s`,
      BINDING: `${first.toUpperCase()}_${random.pick(BINDING_ENDS)}`,
      identifier: Array.from({ length: 4 }, () => random.bits().toString(16).padStart(8, "0")).join(""),
      number: String(60 + random.below(3_600)),
      memo: random.pick(MEMORY_NAMES),
    },
    lists: { entity: names.map((name) => recordItem(random, first, name)) },
  };
}

/** All domains; the same ones for the same state of `random`. */
export function domains(random: Random): readonly Item[] {
  return SUBJECTS.map((subject) => domainItem(random, subject));
}
