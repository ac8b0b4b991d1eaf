// oxlint-disable-next-line typescript/triple-slash-reference -- programs that import this file must find the declaration
/// <reference path="./avsc-types.d.ts" />
/**
 * The part of avsc that the Worker uses, imported in this file only: `Type`
 * without streams and services, which halves the bundle. avsc writes code when
 * a type or resolver is built, and Workers allow that at start-up only, so
 * nothing but module scope may call `Type.forSchema` or `createResolver`.
 */
import type * as Avsc from "avsc";
import avsc from "avsc/etc/browser/avsc-types.js";

export const { Type, types } = avsc;
export type AvroType = Avsc.Type;
