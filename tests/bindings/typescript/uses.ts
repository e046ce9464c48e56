// SPDX-License-Identifier: Apache-2.0
//
// Uses of generated code that tsc must accept, and mistakes that it must refuse.
import { CallError, type Context, type Value } from "@backplane/client";
import { type Colour, type Composed, Error1001, Forms, MOST, type Point, type Tree } from "./generated/forms.js";
import { Timer } from "./generated/timer.js";
// A second module with equal type names lives beside the first.
import { type Config as EchoConfig } from "./generated/echo.js";
import { type Config as TimerConfig } from "./generated/timer.js";

export const configs: [EchoConfig, TimerConfig] = [{ prefix: "p" }, { max_ticks: 5 }];
export const most: 600 = MOST;

export async function uses(context: Context): Promise<bigint> {
  const timer = new Timer(context);
  const plan = await timer.schedule({
    job: { name: "j", payload: [1, { a: null }], priority: "low" },
    retry: { max_attempts: 1, backoff_ms: 0, retry_on: [] },
    schedule: { start_at_ms: 1n, interval_ms: 0n, jitter: undefined },
  });
  const priority: "low" | "normal" | "high" = plan.priority;
  for await (const { tick } of timer.ticks({ count: 1, interval_ms: 0 })) {
    const number: number = tick;
    void number;
  }
  // @ts-expect-error: no such priority
  await timer.schedule({ job: { name: "j", payload: 1, priority: "huge" }, retry: plan, schedule: plan });
  // @ts-expect-error: a member is missing
  await timer.echo({ message: "m" });
  // @ts-expect-error: no such member
  await timer.echo({ message: "m", delay_ms: 1, other: 2 });
  // @ts-expect-error: integers of 64 bits are bigint
  const count: number = plan.will_run_count;
  void count;
  return priority === "low" ? plan.first_run_at_ms : 0n;
}

export async function forms(context: Context, value: Composed): Promise<Point[]> {
  const client = new Forms(context);
  const tree: Tree = { name: "", children: [], named: {} };
  const points: Point[] = [];
  for await (const point of client.composed(value, [tree, { ...tree, next: tree }])) points.push(point);
  const { shape } = value;
  switch (shape.kind) {
    case "circle":
    case "square":
      points.push(shape.value);
      break;
    default: {
      const none: never = shape;
      void none;
    }
  }
  const user: string | bigint = value.user;
  const numbers: Map<bigint, string> = value.numbers;
  const words: Record<string, Colour> = value.words;
  void [user, numbers, words];
  try {
    await client.nothing();
  } catch (error) {
    if (error instanceof Error1001) points.push(error.detail);
    else if (error instanceof CallError) console.log(error.status, error.name, error.message, error.detail);
  }
  await client.provideOtherLookup(async (asked) => ({ items: points, next: asked.name }));
  const anything: Value = { list: [1n, new Map([[1, true]])] };
  void anything;
  return points;
}
